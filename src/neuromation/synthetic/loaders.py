"""Data sets as streams for torch: shards are read one after another, so that a set of any size needs little memory.

    from torch.utils.data import DataLoader
    from neuromation.synthetic.loaders import UnitStream, collate

    stream = UnitStream(Path("shelves"), shuffle=500, seed=1)
    for images, targets in DataLoader(stream, batch_size=8, num_workers=2, collate_fn=collate):
        ...

Owns how samples become tensors and who reads what: every sample comes to exactly one worker of one rank. This module
alone of `neuromation.synthetic` needs torch; import it where torch is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic_core import from_json
from torch.utils.data import IterableDataset, get_worker_info

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.annotations import Thing, objects_of
from neuromation.synthetic.errors import BadDataset
from neuromation.synthetic.folder import MANIFEST_FILE, load_manifest
from neuromation.synthetic.formats import columns
from neuromation.synthetic.formats.real import RealSample, RealTable, is_real, read_real
from neuromation.synthetic.formats.recipe import Recipe, read_recipe
from neuromation.synthetic.formats.shard import META, PIXEL_BYTES_MAX
from neuromation.synthetic.importing import REAL_FILE, load_real
from neuromation.synthetic.render.rle import mask_of

Target = Literal["detection", "class", "annotations"]
Sample = tuple[torch.Tensor, Any]
Row = dict[str, Any]

SHUFFLE_MAX = 100_000


class UnitStream(IterableDataset[Sample]):
    """The samples of a data set, one after another, as (input, target).

    Args:
        source: the folder of a data set, generated or imported; or some of its Parquet files.
        input: `image`, or the name of a layer. Pictures come as float32 (3 or 1, height, width) 0..1, clips as float32
            (frames, 3 or 1, height, width) 0..1, recordings as float32 (channels, samples) -1..1.
        targets: `detection`, as torchvision's detectors take them: `boxes` float32 (N, 4) x1, y1, x2, y2, `labels` int64
            (N,) from 1 on, `area`, `iscrowd`, `image_id`; null objects are background. `class`: the label as a number, -1
            for none. `annotations`: all that is known, as plain JSON with `label` and `index`.
        layers: names of layers that a target of `detection` or `annotations` holds under `layers`, as int32 or uint8
            tensors in the units that the layer's meaning says.
        masks: whether a target of `detection` has `masks`, uint8 (N, height, width).
        split: of an imported data set; None for all.
        shuffle: samples are drawn from a buffer of so many, and files are taken in an order of their own each epoch; 0
            keeps the order.
        seed: of that order; see also `set_epoch`.
        rank, world_size: which part of the samples this process gets; by default those of `torch.distributed`, where that
            is in use.
        transform: called with (input, target); gives what is handed on.

    Shards go to ranks and workers as wholes; where there are fewer shards than those, samples are dealt out one by one.
    Hashes are not checked here: `neuromation.synthetic.verify_dataset` does.
    """

    def __init__(
        self,
        source: Path | str | Sequence[Path | str],
        *,
        input: str = "image",
        targets: Target = "detection",
        layers: Sequence[str] = (),
        masks: bool = False,
        split: str | None = None,
        shuffle: int = 0,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        transform: Callable[[torch.Tensor, Any], Sample] | None = None,
    ) -> None:
        if not 0 <= shuffle <= SHUFFLE_MAX:
            raise BadDataset(f"a shuffle buffer holds 0 to {SHUFFLE_MAX:,} samples, not {shuffle:,}")
        self.files = files_of(source)
        self.input, self.targets, self.layers, self.masks, self.split = input, targets, tuple(layers), masks, split
        self.shuffle, self.seed, self.transform = shuffle, seed, transform
        self.rank, self.world_size = _place(rank, world_size)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Another order from now on; call it before each pass, the same in all ranks."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        workers, number = (worker.num_workers, worker.id) if worker is not None else (1, 0)
        readers, reader = self.world_size * workers, self.rank * workers + number
        samples = self._read(readers, reader)
        return self._shuffled(samples, reader) if self.shuffle else samples

    def _read(self, readers: int, reader: int) -> Iterator[Sample]:
        files = list(self.files)
        if self.shuffle:
            order = unit_rng(self.seed, self.epoch, "files").permutation(len(files))
            files = [files[place] for place in order]
        whole = len(files) >= readers
        at = 0
        for path in files[reader::readers] if whole else files:
            for row in _rows(path, self.split, self._wanted()):
                if whole or at % readers == reader:
                    yield self._sample(row())
                at += 1

    def _shuffled(self, samples: Iterator[Sample], reader: int) -> Iterator[Sample]:
        rng = unit_rng(self.seed, self.epoch, f"buffer {reader}")
        held: list[Sample] = []
        for sample in samples:
            if len(held) < self.shuffle:
                held.append(sample)
                continue
            place = int(rng.integers(len(held)))
            yield held[place]
            held[place] = sample
        for place in rng.permutation(len(held)):
            yield held[place]

    def _wanted(self) -> tuple[str, ...]:
        """The columns to unpack."""
        more = ("instances",) if self.masks else ()
        return tuple(dict.fromkeys((self.input, *self.layers, *more)))

    def _sample(self, row: Row) -> Sample:
        if row.get(self.input) is None:
            raise BadDataset(f"sample {row['index']} of the data set has no {self.input!r}; choose another input")
        value, target = as_input(row[self.input]), self._target(row)
        return self.transform(value, target) if self.transform else (value, target)

    def _target(self, row: Row) -> Any:
        if self.targets == "class":
            return -1 if row["label"] is None else row["label"]
        layers = {name: _as_tensor(row[name]) for name in self.layers}
        if self.targets == "annotations":
            return {**row["annotations"], "label": row["label"], "index": row["index"], "layers": layers}
        target = detection_target(row, masks=self.masks)
        return {**target, "layers": layers} if layers else target


def files_of(source: Path | str | Sequence[Path | str]) -> list[Path]:
    """The Parquet files of a data set's folder, or those that are named. Raises BadDataset when there are none."""
    if not isinstance(source, str | Path):
        files = [Path(path) for path in source]
    elif (folder := Path(source)).is_file():
        files = [folder]
    elif (folder / MANIFEST_FILE).is_file():
        files = [folder / shard.file for shard in load_manifest(folder).shards]
    elif (folder / REAL_FILE).is_file():
        files = [folder / str(entry["file"]) for entry in load_real(folder).files]
    else:
        files = sorted((folder / "data").glob("*.parquet")) or sorted(folder.glob("*.parquet"))
    missing = [path for path in files if not path.is_file()]
    if missing or not files:
        raise BadDataset(f"{missing[0] if missing else source} is no file or folder of a data set")
    return files


def collate(batch: Sequence[Sample]) -> tuple[list[torch.Tensor], list[Any]]:
    """A batch as torchvision's detectors take it: a list of inputs, which may differ in size, and a list of targets."""
    return [value for value, _ in batch], [target for _, target in batch]


def as_input(array: NDArray[Any]) -> torch.Tensor:
    """A picture, clip or recording as float32, channels first, in its natural range."""
    if array.dtype == np.int16:
        sound = torch.from_numpy(np.ascontiguousarray(array.T if array.ndim == 2 else array[None]))
        return sound.float() / 32768
    coloured = array.ndim >= 3 and array.shape[-1] == 3
    planes = np.moveaxis(array, -1, -3) if coloured else array[..., None, :, :]
    top = 255 if array.dtype == np.uint8 else 65535
    return _as_tensor(np.ascontiguousarray(planes)).float() / top


def detection_target(row: Mapping[str, Any], *, masks: bool = False) -> dict[str, Any]:
    """Boxes and labels as torchvision's detectors take them; objects of which nothing is seen, and null ones, are out."""
    things = [(place, thing) for place, thing in enumerate(row["objects"]) if not thing.is_null and _is_seen(thing)]
    corners = [(x, y, x + w, y + h) for _, thing in things for x, y, w, h in [thing.box]]
    crowd = [int(bool(row["crowd"][place])) for place, _ in things]
    target: dict[str, Any] = {
        "boxes": torch.tensor(corners, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor([thing.label + 1 for _, thing in things if thing.label is not None], dtype=torch.int64),
        "area": torch.tensor([thing.area for _, thing in things], dtype=torch.float32),
        "iscrowd": torch.tensor(crowd, dtype=torch.int64),
        "image_id": row["index"],
    }
    if masks:
        target["masks"] = _masks([(row["ids"][place], thing) for place, thing in things], row)
    return target


def _masks(things: Sequence[tuple[int, Thing]], row: Mapping[str, Any]) -> torch.Tensor:
    height, width = row["image"].shape[:2]
    ids = row.get("instances")
    found = np.zeros((len(things), height, width), np.uint8)
    for place, (number, thing) in enumerate(things):
        if ids is not None:
            found[place] = ids == number
        elif thing.rle:
            found[place] = mask_of(thing.rle, width=width, height=height)
        else:
            raise BadDataset(f"sample {row['index']} of the data set has no masks")
    return torch.from_numpy(found)


def _is_seen(thing: Thing) -> bool:
    return thing.box[2] > 0 and thing.box[3] > 0


def _as_tensor(array: NDArray[Any]) -> torch.Tensor:
    """Whole numbers as they are; torch calculates little with 16 bits without a sign, so those get 32."""
    return torch.from_numpy(array.astype(np.int32) if array.dtype == np.uint16 else np.ascontiguousarray(array))


def _place(rank: int | None, world_size: int | None) -> tuple[int, int]:
    used = torch.distributed.is_available() and torch.distributed.is_initialized()
    size = world_size if world_size is not None else torch.distributed.get_world_size() if used else 1
    here = rank if rank is not None else torch.distributed.get_rank() if used else 0
    if not 0 <= here < size:
        raise BadDataset(f"a rank is 0 to {size - 1}, not {here}")
    return here, size


def _rows(path: Path, split: str | None, wanted: Sequence[str]) -> Iterator[Callable[[], Row]]:
    """The samples of a file, each unpacked only when it is called for. Raises BadDataset, BadImport."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = path.read_bytes()
    if is_real(data):
        table = read_real(data)
        for number, sample in enumerate(table.samples):
            if split is None or sample.split == split:
                yield lambda number=number, sample=sample: _real_row(sample, number, table)  # type: ignore[misc]
        return
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        recipe = read_recipe((file.schema_arrow.metadata or {}).get(META, b""))
        layers = {layer.name: layer for layer in recipe.layers} | ({"image": columns.IMAGE} if recipe.image else {})
        unknown = set(wanted) - layers.keys() - {"instances"}
        if unknown:
            raise BadDataset(f"{path.name} has no layer {min(unknown)!r}; it has {', '.join(layers) or 'none'}")
        names = [name for name in dict.fromkeys((*wanted, "image")) if name in layers]
        read = file.read(columns=["index", "label", "annotations", *names])
        files = {name: columns.from_column(layers[name], read[name], optional=name == "image") for name in names}
    except (pa.ArrowException, KeyError, OSError) as error:
        raise BadDataset(f"{path} is no readable file of a data set: {str(error)[:120]}") from error
    plain = [read[name].to_pylist() for name in ("index", "label", "annotations")]
    for place, (index, label, text) in enumerate(zip(*plain, strict=True)):
        held = {name: files[name][place] for name in names}
        yield lambda held=held, known=(index, label, text): _row(held, known, layers, recipe)  # type: ignore[misc]


def _row(held: Mapping[str, Any], known: tuple[int, int | None, str], layers: Mapping[str, Any], recipe: Recipe) -> Row:
    row: Row = {}
    for name, file in held.items():
        top = recipe.value_max if name == "image" else 255
        here = [] if file is None else columns.unpack(layers[name], [file], value_max=top, bytes_max=PIXEL_BYTES_MAX)
        row[name] = here[0] if here else None
    if recipe.value_max != 255 and row.get("image") is not None:
        row["image"] = (row["image"].astype(np.uint16) * 255 // recipe.value_max).astype(np.uint8)
    return row | _labels(from_json(known[2]), recipe.classes) | {"index": known[0], "label": known[1]}


def _real_row(sample: RealSample, number: int, table: RealTable) -> Row:
    row = _labels(sample.annotations, table.classes) | {"index": number, "label": sample.label}
    return row | ({"image": sample.pixels()} if table.kind == "image" else {"audio": sample.sound()})


def _labels(annotations: Mapping[str, Any], classes: Sequence[str]) -> Row:
    listed = annotations.get("objects", annotations.get("boxes")) or []
    return {
        "annotations": annotations,
        "objects": objects_of(annotations, classes),
        "ids": [item.get("id", place) for place, item in enumerate(listed, 1)],
        "crowd": [(item.get("attributes") or {}).get("iscrowd", 0) for item in listed],
    }
