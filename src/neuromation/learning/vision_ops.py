"""Makes torchvision usable beside any torch; owns two operators in plain torch, refuses to know networks.

torchvision's wheels carry compiled operators linked to CUDA. Beside a torch built for processors alone they do not
load, and then `import torchvision` fails, because it describes `torchvision::nms` before that exists. Here `nms`,
`qnms` and `roi_align` are defined in that case, and only then: where the compiled part loads, nothing happens. Import
torchvision through `vision()`, never directly.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from neuromation.learning.errors import MissingLibrary
from neuromation.learning.suppression import suppress

_ROIS_AT_A_TIME = 128  # 256 channels x 14 x 14 samples x 4 bytes each: 26 MB
_TORCH: Any = torch  # whose library functions have no types
_HANDLES: list[torch.library.Library] = []  # a definition lives as long as its handle


@cache
def vision() -> Any:
    """The package torchvision, ready to use. Raises MissingLibrary when it is not installed or does not load."""
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        raise MissingLibrary("torchvision", extra="learning")
    ours = not _compiled_part_loads(Path(found.submodule_search_locations[0]))
    if ours:
        define_operators("torchvision")
    try:
        import torchvision
        import torchvision.models.detection
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingLibrary("torchvision", extra="learning", why=str(error)[:200]) from error
    if ours:
        _say_that_operators_exist()
    return torchvision


def _compiled_part_loads(folder: Path) -> bool:
    compiled = next(iter(sorted(folder.glob("_C*.so")) + sorted(folder.glob("_C*.pyd"))), None)
    if compiled is None:
        return False
    try:
        _TORCH.ops.load_library(str(compiled))
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")


def _has_ops() -> bool:
    # A function of a module and not a lambda: the older ONNX exporter reads its source.
    return True


def _say_that_operators_exist() -> None:
    """Tell torchvision's own checks, which ask whether the compiled part was loaded."""
    for module in ("torchvision.extension", "torchvision.ops.roi_align"):
        importlib.import_module(module).__dict__["_has_ops"] = _has_ops


def define_operators(namespace: str) -> None:
    """Define nms, qnms and roi_align in plain torch under `namespace` of `torch.ops`; once a process."""
    library = _TORCH.library.Library(namespace, "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define(
        "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor"
    )
    library.impl("nms", nms, "CPU")
    library.impl("qnms", nms, "CPU")
    # Composite: autograd, and the shapes of meta tensors, follow from the torch operators inside.
    library.impl("roi_align", roi_align, "CompositeImplicitAutograd")
    _HANDLES.append(library)


def nms(dets: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Indices int64 of the boxes (N, 4), corners, that stay: best first, as `suppression.suppress` says."""
    if dets.ndim != 2 or dets.shape[1] != 4 or scores.shape != dets.shape[:1]:
        raise ValueError(f"boxes (N, 4) with scores (N,) are needed, not {tuple(dets.shape)} and {tuple(scores.shape)}")
    # Quantised boxes and half floats are whole numbers or short fractions; in float32 and float64 nothing of them is lost.
    boxes = dets.detach() if dets.dtype in (torch.float32, torch.float64) else dets.detach().float()
    return torch.from_numpy(suppress(boxes.numpy(), scores.detach().double().numpy(), overlap_max=iou_threshold))


def roi_align(
    input: torch.Tensor,
    rois: torch.Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> torch.Tensor:
    """Features of regions, averaged from bilinear samples: He et al., "Mask R-CNN" (2017), section 3.

    Args:
        input: features (N, C, H, W).
        rois: regions (K, 5): index of the picture, then corners in pixels of the picture.
        spatial_scale: feature cells a pixel.
        sampling_ratio: samples along each side of a bin; 0 or less: as many as cells that the bin spans, rounded up.
        aligned: shift by half a cell, so that cells are points at their centres.

    Returns:
        (K, C, pooled_height, pooled_width), differentiable in `input`.
    """
    out = input.new_zeros((len(rois), input.shape[1], pooled_height, pooled_width))
    corners = rois[:, 1:].detach() * spatial_scale - (0.5 if aligned else 0.0)
    low, size = corners[:, :2], corners[:, 2:] - corners[:, :2]
    if not aligned:
        size = size.clamp(min=1.0)
    bins = size / size.new_tensor([pooled_width, pooled_height])
    if input.is_meta:
        return out
    samples = torch.full_like(bins, sampling_ratio) if sampling_ratio > 0 else bins.ceil()
    # Regions of one picture with one number of samples are read in one call.
    kinds = torch.cat([rois[:, :1], samples], dim=1)
    pieces, places = [], []
    for kind in torch.unique(kinds, dim=0):
        picture, across, down = (int(value) for value in kind)
        if across < 1 or down < 1:
            continue  # an empty region of aligned samples has none, and its features are 0
        own = torch.nonzero((kinds == kind).all(dim=1)).squeeze(1)
        for some in _TORCH.split(own, _ROIS_AT_A_TIME):
            grid = _Grid(pooled_height, pooled_width, down, across)
            pieces.append(_read(input[picture], low[some], bins[some], grid))
            places.append(some)
    if not pieces:
        return out + 0 * input.sum()
    # Under autocast samples may have another type than features.
    return out.index_copy(0, torch.cat(places), torch.cat(pieces).to(out.dtype))


class _Grid:
    """How many bins a region has, and samples a bin."""

    def __init__(self, rows: int, columns: int, down: int, across: int) -> None:
        self.rows, self.columns, self.down, self.across = rows, columns, down, across


def _read(features: torch.Tensor, low: torch.Tensor, bins: torch.Tensor, grid: _Grid) -> torch.Tensor:
    """Mean samples (K, C, rows, columns) of one picture's features (C, H, W)."""
    x, x_in = _places(low[:, 0], bins[:, 0], grid.columns, grid.across, features.shape[2])
    y, y_in = _places(low[:, 1], bins[:, 1], grid.rows, grid.down, features.shape[1])
    regions, across, down = len(low), x.shape[1], y.shape[1]
    points = torch.stack([x[:, None, :].expand(-1, down, -1), y[:, :, None].expand(-1, -1, across)], dim=-1)
    read = functional.grid_sample(
        features[None],
        points.reshape(1, regions * down, across, 2).to(features.dtype),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    read = read.reshape(len(features), regions, down, across) * (y_in[:, :, None] & x_in[:, None, :])
    pooled = read.reshape(len(features), regions, grid.rows, grid.down, grid.columns, grid.across).mean(dim=(3, 5))
    return pooled.transpose(0, 1)


def _places(
    low: torch.Tensor, bins: torch.Tensor, count: int, samples: int, cells: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where samples lie along one side, (K, count * samples) as `grid_sample` counts, and whether they count at all."""
    steps = (torch.arange(count * samples, device=low.device, dtype=low.dtype) + 0.5) / samples
    at = low[:, None] + steps * bins[:, None]
    # A sample over one cell outside is 0; nearer ones take the border's value.
    inside = (at >= -1.0) & (at <= cells)
    return (2.0 * at.clamp(0, cells - 1) + 1.0) / cells - 1.0, inside
