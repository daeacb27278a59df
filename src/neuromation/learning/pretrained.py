"""Weights that others trained, from a file: read, checked, mapped to a network's tensors; refuses to download them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neuromation.learning.errors import BadPretrained, ChecksumMismatch, PretrainedMismatch
from neuromation.learning.weights import Array, Weights, check_weights
from neuromation.learning.zoo import get_model, initial_weights

FILE_MAX_BYTES = 1024**3
_NAMED_MAX = 5  # tensors that an error names; `details` has all
_PIECE = 1 << 20

# Parts of published files that our networks do not have: auxiliary heads, which only their training used.
LEFT_OUT = ("aux1.", "aux2.", "aux_classifier.", "AuxLogits.")
_COUNTER = "num_batches_tracked"
# What training scripts put around a network, and where their checkpoints keep its tensors.
_WRAPPINGS = ("", "module.", "model.", "_orig_mod.")
_KEPT_UNDER = ("model", "state_dict", "model_state_dict", "net", "weights")
# torchvision renamed tensors of its detectors after it published their weights.
_RENAMED = (
    (re.compile(r"(\bfpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$"), r"\1.0.\2"),
    (re.compile(r"(\brpn\.head\.conv)\.(weight|bias)$"), r"\1.0.0.\2"),
    (re.compile(r"(\bmask_head)\.mask_fcn(\d)\."), lambda found: f"{found[1]}.{int(found[2]) - 1}.0."),
)


@dataclass(frozen=True, slots=True)
class PretrainedFile:
    """Tensors read from a file.

    Attributes:
        name: of the file, without its folder.
        format: "safetensors", "state dict" or "onnx".
        sha256: 64 hex digits.
        tensors: float32 by the file's own names; counters and other integers are left out.
    """

    name: str
    format: str
    sha256: str
    bytes: int
    tensors: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Imported:
    """Weights of one of our networks, and what became of each tensor.

    Attributes:
        weights: all of the network's tensors.
        taken: their names in the network, that came from the file.
        head: tensors that depend on the number of classes and had another in the file: drawn anew.
        drawn: others that the file lacks, drawn anew; empty unless that was allowed.
        left_out: the file's own names of tensors that were not used.
        origin: what config.json records: file, checksum, licence, source, and the lists above.
    """

    weights: Weights
    taken: tuple[str, ...]
    head: tuple[str, ...]
    drawn: tuple[str, ...]
    left_out: tuple[str, ...]
    origin: Mapping[str, Any] = field(default_factory=dict)


def read_pretrained(path: str | Path, *, sha256: str | None = None) -> PretrainedFile:
    """Read a file of weights: safetensors, a torch state dict (also inside a checkpoint) or ONNX initialisers.

    The kind is found by the content. A state dict is read by torch's reader of plain weights, which runs no code.

    Args:
        sha256: what the publisher states; None takes any file.

    Raises:
        ChecksumMismatch: another hash; nothing was parsed.
        BadPretrained: not there, over FILE_MAX_BYTES, of none of these kinds, or damaged.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        if not 0 < size <= FILE_MAX_BYTES:
            raise BadPretrained(f"{file.name} has {size} bytes; weights of 1 to {FILE_MAX_BYTES} are read")
        found = _hash(file)
    except OSError as error:
        raise BadPretrained(f"{file.name} cannot be read ({error.strerror}); check the path") from error
    if sha256 is not None and sha256.lower() != found:
        raise ChecksumMismatch(
            f"{file.name} has the sha256 {found}, not {sha256.lower()[:64]}; download it again, and trust no other"
        )
    kind, read = _reader(file)
    tensors = {name: array for name, array in read(file) if not name.endswith(_COUNTER)}
    if not tensors:
        raise BadPretrained(f"{file.name} holds no tensors of numbers; give the file of the weights themselves")
    return PretrainedFile(file.name, kind, found, size, tensors)


def import_weights(
    file: PretrainedFile,
    model: str,
    config: Mapping[str, object],
    classes: Sequence[str],
    *,
    licence: str,
    source: str = "",
    seed: int = 0,
    partial: bool = False,
) -> Imported:
    """The file's tensors as weights of a network of the zoo.

    Names are mapped by taking off what training scripts put before them, and by torchvision's own renamings. The last
    layer is drawn anew (by `seed`) where it has another number of classes than the file.

    Args:
        licence: of these weights, an SPDX id; recorded.
        source: where they come from, for the record.
        partial: draw anew whatever the file lacks, and leave out what the network does not have.

    Raises:
        PretrainedMismatch: tensors are missing, of other shapes, or unexpected; `details` lists all three.
        BadPretrained: no licence, or nothing fits at all.
        BadWeights: values that are not finite.
        UnknownModel, BadConfig: there is no such network.
    """
    if not licence.strip():
        raise BadPretrained("weights have a licence of their own; state it, or do not use them")
    fresh = initial_weights(model, config, classes, seed)
    head = _head_of(model, config, classes)
    named = _mapped(file.tensors, fresh, get_model(model).prefix)
    fits = {ours: theirs for ours, theirs in named.items() if file.tensors[theirs].shape == fresh[ours].shape}
    if not fits:
        raise BadPretrained(f"no tensor of {file.name} is one of {model}'s; it is another network")
    other_head = {name for name in head if name not in fits}
    missing = sorted(name for name in fresh if name not in fits and name not in head)
    used = set(named.values())
    unexpected = sorted(name for name in file.tensors if name not in used)
    if not partial:
        from neuromation.learning.engine import constants_of

        constant = constants_of(model, config, classes)
        strange = [name for name in unexpected if not _is_auxiliary(name) and name not in constant]
        _check(file.name, model, missing, named, strange)
    weights = {name: np.array(file.tensors[fits[name]] if name in fits else fresh[name]) for name in sorted(fresh)}
    check_weights(weights, fresh)
    taken, head_anew = tuple(sorted(fits)), tuple(sorted(other_head))
    origin = {
        "file": file.name,
        "format": file.format,
        "sha256": file.sha256,
        "bytes": file.bytes,
        "licence": licence.strip(),
        "source": source.strip(),
        "tensors": len(taken),
        "head": list(head_anew),
        "drawn": missing,
        "left_out": unexpected,
    }
    return Imported(weights, taken, head_anew, tuple(missing), tuple(unexpected), origin)


def _head_of(model: str, config: Mapping[str, object], classes: Sequence[str]) -> set[str]:
    """Tensors whose shape depends on the number of classes: the same network with one more has others."""
    from neuromation.learning.engine import shapes_of

    one_more = [*classes, next(f"class {i}" for i in range(len(classes) + 1) if f"class {i}" not in classes)]
    shapes, others = shapes_of(model, config, classes), shapes_of(model, config, one_more)
    return {name for name in shapes if shapes[name] != others[name]}


def _mapped(tensors: Mapping[str, Array], fresh: Mapping[str, Array], prefix: str) -> dict[str, str]:
    """By our name the file's name, under the wrapping that explains most of them."""
    best: dict[str, str] = {}
    for wrapping in _WRAPPINGS:
        for before in dict.fromkeys(("", prefix)):
            mapped = {}
            for theirs in tensors:
                if theirs.startswith(wrapping):
                    ours = before + _renamed(theirs.removeprefix(wrapping))
                    if ours in fresh:
                        mapped[ours] = theirs
            if len(mapped) > len(best):
                best = mapped
    return best


def _renamed(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = pattern.sub(replacement, name)
    return name


def _is_auxiliary(name: str) -> bool:
    return any(part in name for part in LEFT_OUT)


def _check(file: str, model: str, missing: list[str], named: Mapping[str, str], unexpected: list[str]) -> None:
    misshapen = [name for name in missing if name in named]
    absent = [name for name in missing if name not in named]
    if not missing and not unexpected:
        return
    said = [
        f"{len(names)} {what} ({', '.join(names[:_NAMED_MAX])}{', ...' if len(names) > _NAMED_MAX else ''})"
        for what, names in (("missing", absent), ("of another shape", misshapen), ("unexpected", unexpected))
        if names
    ]
    raise PretrainedMismatch(
        f"{file} does not fit {model}: tensors are {'; '.join(said)}; check the configuration, or take what fits (partial)",
        missing=absent,
        misshapen=misshapen,
        unexpected=unexpected,
    )


def _hash(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _reader(file: Path) -> tuple[str, Callable[[Path], Iterator[tuple[str, Array]]]]:
    with file.open("rb") as opened:
        start = opened.read(9)
    if start[:2] == b"PK" or start[:2] == b"\x80\x02":  # a zip archive, or a pickle of torch before 1.6
        return "state dict", _from_torch
    if start[8:9] == b"{":  # after the length of its header
        return "safetensors", _from_safetensors
    return "onnx", _from_onnx


def _from_safetensors(file: Path) -> Iterator[tuple[str, Array]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as opened:
            for name in opened.keys():  # noqa: SIM118 - it is no dict
                array = opened.get_tensor(name)
                if np.issubdtype(array.dtype, np.floating):
                    yield name, array.astype(np.float32)
    except (SafetensorError, TypeError, ValueError) as error:
        raise BadPretrained(f"{file.name} is a damaged safetensors file ({str(error)[:200]})") from error


def _from_torch(file: Path) -> Iterator[tuple[str, Array]]:
    import pickle

    import torch

    try:
        held = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise BadPretrained(
            f"{file.name} is no plain state dict ({' '.join(str(error).split())[:200]}); "
            "save it again with torch.save(model.state_dict(), ...), or as safetensors"
        ) from error
    for name, tensor in _state_dict(held, file.name).items():
        if tensor.is_floating_point():
            yield name, tensor.detach().float().numpy()


def _state_dict(held: Any, file: str) -> dict[str, Any]:
    """The tensors by name, out of whatever dicts a checkpoint wraps them in."""
    import torch

    for _ in range(3):
        if not isinstance(held, dict):
            break
        tensors = {str(name): value for name, value in held.items() if isinstance(value, torch.Tensor)}
        inner = next((held[key] for key in _KEPT_UNDER if isinstance(held.get(key), dict)), None)
        if tensors and inner is None:
            return tensors
        held = inner
    raise BadPretrained(f"{file} holds no state dict of tensors by name; save model.state_dict() itself")


def _from_onnx(file: Path) -> Iterator[tuple[str, Array]]:
    from neuromation.learning.conversion.onnx_models import read_onnx
    from neuromation.learning.errors import BadModelFile

    try:
        weights = read_onnx(file.read_bytes()).weights
    except BadModelFile as error:
        raise BadPretrained(f"{file.name} is no safetensors file, state dict or ONNX file: {error.message}") from error
    for name, array in weights.items():
        if np.issubdtype(array.dtype, np.floating):
            yield name, array.astype(np.float32)
