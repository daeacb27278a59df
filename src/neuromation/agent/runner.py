"""The inside of the sandbox: carries out one task after another; knows no network, no node and no money.

Every unit of work has a hash, so that somebody else can do one unit again and compare: a generated unit, a segment of a
training, the weights of a trial.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neuromation.kernel.errors import Invalid
from neuromation.kernel.hashing import merkle_root

Json = dict[str, Any]
Progress = Callable[[float, str], None]

BENCHMARK_S = 0.6
SHARD_FILE, WEIGHTS_FILE = "shard.parquet", "weights.safetensors"


def handle(request: Json, inputs: Path, out: Path, progress: Progress) -> Json:
    """Do one task: `request` holds its kind, its spec, and the names of its inputs in the folder `inputs`."""
    work = {"generate": generate, "train": train, "trial": trial, "audit": audit, "benchmark": benchmark}.get(
        request["kind"]
    )
    if work is None:
        raise Invalid(f"this node knows no work of kind {str(request['kind'])[:40]!r}", reason="bad-spec")
    files = {name: inputs / file for name, file in request.get("inputs", {}).items()}
    start, cpu = time.perf_counter(), time.process_time()
    answer = work(request["spec"], files, out, progress)
    metrics = {**answer.get("metrics", {}), "seconds": time.perf_counter() - start}
    return {**answer, "metrics": metrics, "cpu_s": time.process_time() - cpu}


def generate(spec: Json, files: dict[str, Path], out: Path, progress: Progress) -> Json:
    """A shard of units; one leaf a unit."""
    from neuromation.synthetic.folder import make_shard

    generator, params = _generator(spec)
    first, count, done = spec["first_unit"], spec["units"], 0

    def tick() -> None:
        nonlocal done
        if done % 16 == 0:
            progress(done / count, "")
        done += 1

    packed = make_shard(generator, params, spec["seed"], first, count, tick=tick)
    (out / SHARD_FILE).write_bytes(packed.data)
    return _committed(packed.hashes)


def train(spec: Json, files: dict[str, Path], out: Path, progress: Progress, *, share: Any = None) -> Json:
    """The local steps of one replica in one round; one leaf a segment. A cluster's processes each have a share."""
    from neuromation.learning.rounds import delta_file, train_locally
    from neuromation.learning.weights import weights_hash

    deltas, done = train_locally(
        spec["model"],
        spec["config"],
        _samples(spec, files),
        _weights(spec, files["start.safetensors"]),
        segments=spec["segments"],
        share=share,
        tell=lambda fraction: progress(fraction, "training"),
        **_recipe(spec),
    )
    for number, delta in enumerate(deltas, 1):
        (out / delta_file(number)).write_bytes(delta)
    losses = {"loss_first": done.metrics[0].loss_first, "loss_last": done.metrics[-1].loss_last}
    return _committed([weights_hash(w) for w in done.segments], metrics=losses)


def trial(spec: Json, files: dict[str, Path], out: Path, progress: Progress) -> Json:
    """A small set with given parameters and a small training on it; leaves: the set's root, the weights."""
    from neuromation.learning.trial import run_trial
    from neuromation.learning.weights import weights_hash, weights_to_bytes
    from neuromation.synthetic.formats.examples import examples_of_generator
    from neuromation.synthetic.generator import unit_hash

    generator, params = _generator(spec)
    units = []
    for index in range(spec["units"]):
        units.append(generator.unit(params, spec["seed"], index))
        if index % 64 == 0:
            progress(0.5 * index / spec["units"], "generating")
    progress(0.5, "training")
    weights = run_trial(
        spec["model"],
        spec["config"],
        _asked(spec, examples_of_generator(generator, params, units, masks=_wants_masks(spec))),
        steps=spec["steps"],
        batch_size=spec["batch_size"],
        lr=spec["lr"],
        seed=spec["train_seed"],
    )
    (out / WEIGHTS_FILE).write_bytes(weights_to_bytes(weights))
    return _committed([merkle_root([unit_hash(u) for u in units]), weights_hash(weights)])


def audit(spec: Json, files: dict[str, Path], out: Path, progress: Progress) -> Json:
    """Some units of somebody else's task, done again."""
    of, units = spec["of"], list(spec["units"])
    again = {"generate": _generate_again, "train": _train_again, "trial": _trial_again}.get(of["kind"])
    if again is None:
        raise Invalid(f"this node cannot audit work of kind {str(of['kind'])[:40]!r}", reason="bad-spec")
    return _committed(again(of["spec"], units, files, out, progress))


def _generate_again(spec: Json, units: list[int], files: dict[str, Path], out: Path, progress: Progress) -> list[str]:
    from neuromation.synthetic.generator import unit_hash

    generator, params = _generator(spec)
    return [unit_hash(generator.unit(params, spec["seed"], spec["first_unit"] + unit)) for unit in units]


def _train_again(spec: Json, units: list[int], files: dict[str, Path], out: Path, progress: Progress) -> list[str]:
    from neuromation.learning.diloco import applied, settled
    from neuromation.learning.rounds import delta_file
    from neuromation.learning.training import replay_segment
    from neuromation.learning.weights import weights_hash

    deltas = [files[delta_file(number)].read_bytes() for number in range(1, units[0] + 1)]
    before = applied(_weights(spec, files["start.safetensors"]), *deltas)
    after = replay_segment(
        spec["model"],
        spec["config"],
        _samples(spec, files),
        before,
        segment=units[0],
        segments=spec["segments"],
        **_recipe(spec),
    )
    delta, end = settled(before, after)
    (out / f"unit-{units[0]}.delta").write_bytes(delta)
    return [weights_hash(end)]


def _trial_again(spec: Json, units: list[int], files: dict[str, Path], out: Path, progress: Progress) -> list[str]:
    answer = trial(spec, files, out, progress)
    (out / WEIGHTS_FILE).rename(out / "unit-1.safetensors")
    return [answer["leaves"][unit] for unit in units]


def benchmark(spec: Json, files: dict[str, Path], out: Path, progress: Progress) -> Json:
    """The node's speed at both kinds of work in CU/s, by the reference work of each kind (docs/glossary.md: CU)."""
    from neuromation.learning.gathering import gathered
    from neuromation.learning.trial import run_trial
    from neuromation.learning.zoo import get_model
    from neuromation.synthetic.formats.examples import examples_of_generator
    from neuromation.synthetic.generator import get_generator

    generator, model = get_generator("digits"), get_model("digits-cnn")
    params = generator.params_model()
    units = [generator.unit(params, 0, i) for i in range(64)]  # warm: the first units build caches
    made = 0
    start = time.perf_counter()
    while time.perf_counter() - start < BENCHMARK_S:
        units.append(generator.unit(params, 0, 64 + made))
        made += 1
    render = made * generator.cu_per_unit / (time.perf_counter() - start)
    samples = gathered(model.problem, examples_of_generator(generator, params, units))
    recipe: Json = {"batch_size": 64, "lr": 0.003, "seed": 0}
    run_trial(model.name, {}, samples, steps=4, **recipe)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < BENCHMARK_S:
        run_trial(model.name, {}, samples, steps=24, **recipe)
        steps += 24
    train_speed = steps * 64 * model.cu_per_sample / (time.perf_counter() - start)
    return {"render_cu_per_s": render, "train_cu_per_s": train_speed}


def _committed(leaves: list[str], *, metrics: Json | None = None) -> Json:
    return {"leaves": leaves, "root": merkle_root(leaves), "metrics": metrics or {}}


def _generator(spec: Json) -> tuple[Any, Any]:
    from neuromation.synthetic.generator import get_generator, parse_params

    generator = get_generator(spec["generator"], spec["version"])
    return generator, parse_params(generator, spec["params"])


def _recipe(spec: Json) -> Json:
    return {key: spec[key] for key in ("steps", "batch_size", "lr", "lr_end", "seed")}


def _weights(spec: Json, path: Path) -> Any:
    from neuromation.learning.weights import weights_from_bytes
    from neuromation.learning.zoo import initial_weights

    return weights_from_bytes(path.read_bytes(), initial_weights(spec["model"], spec["config"], spec["classes"], 0))


def _samples(spec: Json, files: dict[str, Path]) -> Any:
    """What a task's model learns from: its shards, in the order of their numbers."""
    from neuromation.learning.gathering import joined
    from neuromation.synthetic.formats.examples import examples_of_shard

    names = sorted((n for n in files if n.startswith("data-")), key=lambda n: int(n[5:].split(".")[0]))
    masks = _wants_masks(spec)
    return joined([_asked(spec, examples_of_shard(files[name].read_bytes(), masks=masks)) for name in names])


def _asked(spec: Json, known: Any) -> Any:
    """What is known, as samples of the problem of a task's model, no larger than it needs them."""
    from neuromation.learning.gathering import gathered, reduced
    from neuromation.learning.zoo import get_model

    model = get_model(spec["model"])
    return reduced(gathered(model.problem, known), model.input_of(model.check_config(spec["config"])))


def _wants_masks(spec: Json) -> bool:
    from neuromation.learning.problem import Problem
    from neuromation.learning.zoo import get_model

    return get_model(spec["model"]).problem is Problem.INSTANCE_SEGMENTATION


if __name__ == "__main__":
    from neuromation.agent.sandbox.child import serve

    serve(handle)
