"""Folders of data as samples of one problem: generated sets, imported ones, and plain folders of labelled photos.

Both libraries meet here: `synthetic` reads what lies on disk, `learning` decides what of it a model is asked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from neuromation.kernel.errors import Invalid
from neuromation.learning.problem import InputSpec, Problem, Samples

if TYPE_CHECKING:
    from pydantic import BaseModel

    from neuromation.synthetic import Generator, Unit
    from neuromation.synthetic.formats.examples import Examples

RealForm = Literal["auto", "coco", "yolo", "voc", "imagefolder", "audiofolder"]
FRESH_UNITS, FRESH_SEED = 200, 2**62 + 1  # what measures a model beside real data: units that no training has seen
MANIFEST, REAL = "manifest.json", "real.json"


@dataclass(frozen=True, slots=True)
class SampleSet:
    """Samples of a folder, and what is known of where they come from: lineage of a model that learns from them."""

    samples: Samples
    lineage: dict[str, Any]


def samples_in(
    folder: Path, problem: Problem, spec: InputSpec, *, split: str | None = None, form: RealForm = "auto"
) -> SampleSet:
    """The samples of a data-set folder, or of a folder of labelled photos or recordings, which is only read.

    Args:
        split: of imported and plain folders: train, validation, test; None: all.
        form: of a plain folder; "auto" looks what is there.

    Raises:
        Invalid: no such folder, no such split, or nothing in it that this problem can use.
    """
    from neuromation.synthetic import load_manifest
    from neuromation.synthetic.folder import read_file
    from neuromation.synthetic.formats.examples import examples_of_shard
    from neuromation.synthetic.importing import import_folder

    if not folder.is_dir():
        raise Invalid(f"there is no folder {folder}; name a data set's folder, or one of labelled photos")
    if (folder / MANIFEST).is_file():
        if split is not None:
            raise Invalid(f"{folder} is a generated data set; it has no splits")
        manifest = load_manifest(folder)
        lineage = {
            "dataset": f"{folder.name} ({manifest.identity[:16]})",
            "generator": f"{manifest.generator}@{manifest.version}",
            "generator_params": manifest.params,
            "synthetic_units": manifest.units,
        }
        masks = problem is Problem.INSTANCE_SEGMENTATION
        shards = (examples_of_shard(read_file(folder, shard.file), masks=masks) for shard in manifest.shards)
        return SampleSet(_gathered(shards, problem, spec, folder, split), lineage)
    if (folder / REAL).is_file():
        return SampleSet(_real(folder, problem, spec, split), {"dataset": folder.name})
    with tempfile.TemporaryDirectory(prefix="neuromation-") as scratch:
        where = Path(scratch) / "set"
        import_folder(folder, _form(folder) if form == "auto" else form, where, skip_broken=True)
        return SampleSet(_real(where, problem, spec, split), {"dataset": folder.name})


def samples_made(
    generator: Generator,
    params: BaseModel,
    units: Iterable[Unit],
    problem: Problem,
    spec: InputSpec,
) -> Samples:
    """Units of a generator, as they are made, as samples. Raises WrongProblem, BadUnit."""
    from neuromation.learning.gathering import gathered, reduced
    from neuromation.synthetic.formats.examples import examples_of_generator

    masks = problem is Problem.INSTANCE_SEGMENTATION
    return reduced(gathered(problem, examples_of_generator(generator, params, units, masks=masks)), spec)


def samples_of_lineage(
    lineage: Mapping[str, Any], problem: Problem, spec: InputSpec, *, units: int = FRESH_UNITS
) -> Samples:
    """Fresh units of the generator that a model learned from, with the parameters that it learned with.

    Raises Invalid when the lineage names no generator, UnknownGenerator when it is not installed in that version.
    """
    from neuromation.synthetic import get_generator, parse_params

    name, _, version = str(lineage.get("generator", "")).partition("@")
    if not name:
        raise Invalid("the model does not say which generator it learned from")
    generator = get_generator(name, version or None)
    params = parse_params(generator, lineage.get("generator_params"))
    return samples_made(
        generator, params, (generator.unit(params, FRESH_SEED, index) for index in range(units)), problem, spec
    )


def _real(folder: Path, problem: Problem, spec: InputSpec, split: str | None) -> Samples:
    from neuromation.synthetic.formats.examples import examples_of_table

    masks = problem is Problem.INSTANCE_SEGMENTATION
    tables = sorted((folder / "data").glob("*.parquet"))
    parts = (examples_of_table(path.read_bytes(), split=split, masks=masks) for path in tables)
    return _gathered(parts, problem, spec, folder, split)


def _gathered(parts: Iterator[Examples], problem: Problem, spec: InputSpec, folder: Path, split: str | None) -> Samples:
    from neuromation.learning.gathering import gathered, joined, reduced

    found = [reduced(gathered(problem, part), spec) for part in parts if part.inputs]
    if not found:
        which = f" in split {split!r}" if split else ""
        raise Invalid(f"{folder} holds no samples{which}; `neuromation dataset stats {folder}` shows what it holds")
    return joined(found)


def _form(folder: Path) -> str:
    """What a plain folder looks like."""
    files = [path for _, path in zip(range(2_000), folder.rglob("*"), strict=False) if path.is_file()]
    suffixes = {path.suffix.lower() for path in files}
    if ".wav" in suffixes:
        return "audiofolder"
    if any(path.parent.name == "Annotations" and path.suffix == ".xml" for path in files):
        return "voc"
    if any(path.name in ("data.yaml", "data.yml", "dataset.yaml") for path in files):
        return "yolo"
    if any(path.suffix == ".json" and b'"annotations"' in path.read_bytes()[:50_000_000] for path in files):
        return "coco"
    return "imagefolder"
