"""Which cells lie in a smear, and how they look: parameters and chance become plain arrays, before anything is drawn.

Lengths are pixels of a 640 x 480 picture at about 1,000 times magnification: a red cell of 7.5 micrometres is 90 wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from neuromation.kernel.rng import unit_rng
from neuromation.synthetic.generators import blood_cells_stain as st
from neuromation.synthetic.generators.ink import Floats, Plane, direction, lattice, mixed, outlines

KINDS = ("neutrophil", "eosinophil", "lymphocyte", "monocyte", "basophil", "smudge")
KIND_WEIGHTS = (0.62, 0.14, 0.12, 0.07, 0.03, 0.02)
RED_MAX = 260
WHITE_MAX = 8
PLATELETS_MAX = 80
_TRIES = 14  # for a place of one cell
_HARMONICS = 14
_DEGREES_PER_TURN = 360.0


class SmearParams(BaseModel):
    """What lies in the smear and how it is stained. Spreads are standard deviations, relative where not said."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    width: int = Field(640, ge=64, le=1920, description="of the picture, pixels")
    height: int = Field(480, ge=64, le=1920, description="of the picture, pixels")
    red_cells: float = Field(23.0, ge=0, le=80, description="mean number of red cells on 640 x 480 pixels")
    red_cells_spread: float = Field(0.25, ge=0, le=0.8, description="of that number between pictures")
    red_diameter_px: float = Field(93.0, ge=30, le=180, description="mean width of a red cell")
    red_diameter_spread: float = Field(0.085, ge=0, le=0.3, description="of the width between red cells")
    clumping: float = Field(0.55, ge=0, le=1, description="share of red cells that lie on others, in piles and chains")
    elongation: float = Field(0.16, ge=0, le=0.6, description="mean length over width of a red cell, less 1")
    irregularity: float = Field(
        0.035, ge=0, le=0.12, description="dents and corners of red cells, a part of the radius"
    )
    odd_shapes: float = Field(
        0.08, ge=0, le=1, description="share of ellipse, teardrop, burr, target, slit and ghost cells"
    )
    pallor: float = Field(0.7, ge=0, le=1, description="mean depth of the pale middle of red cells")
    pallor_spread: float = Field(0.28, ge=0, le=0.5, description="of that depth, absolute")
    pallor_size: float = Field(0.48, ge=0.2, le=0.85, description="mean width of the pale middle over that of the cell")
    pile_density: float = Field(0.2, ge=0, le=1, description="density that a cell keeps where it lies on another")
    white_cells: float = Field(1.05, ge=0, le=6, description="mean number of white cells on 640 x 480 pixels")
    white_diameter_px: float = Field(188.0, ge=60, le=320, description="mean width of a neutrophil")
    white_diameter_spread: float = Field(0.17, ge=0, le=0.4, description="of the width between white cells")
    kind_weights: list[float] | None = Field(
        None, description=f"how common {', '.join(KINDS)} are, 6 numbers >= 0; null: as in blood"
    )
    platelets: float = Field(1.35, ge=0, le=40, description="mean number of platelets on 640 x 480 pixels")
    platelet_diameter_px: float = Field(29.0, ge=8, le=80, description="mean width of a platelet")
    platelets_on_cells: float = Field(0.2, ge=0, le=1, description="share of platelets that lie on cells as well")
    platelet_clumping: float = Field(0.12, ge=0, le=1, description="share of platelets that lie beside another")
    red_density: float = Field(0.94, ge=0.4, le=2, description="optical density of red cells, 1: usual")
    stain_density: float = Field(1.0, ge=0.4, le=2, description="optical density of nuclei and granules, 1: usual")
    stain_spread: float = Field(0.2, ge=0, le=0.6, description="of the densities between pictures")
    brownness: float = Field(0.58, ge=0, le=1, description="mean hue of red cells, 0 mauve, 1 brown")
    hue_spread: float = Field(0.28, ge=0, le=0.5, description="of hues between pictures, absolute")
    halo: float = Field(0.12, ge=0, le=0.2, description="strength of the refraction lines at the edges of cells")
    bubbles: float = Field(0.2, ge=0, le=1, description="refractile drying spots a red cell; pictures differ")
    dust: float = Field(5.0, ge=0, le=60, description="mean number of dust specks and rings a picture")
    precipitate: float = Field(0.6, ge=0, le=30, description="mean number of crumbs of stain a picture")

    @field_validator("kind_weights")
    @classmethod
    def _six_weights(cls, weights: list[float] | None) -> list[float] | None:
        if weights is not None and (len(weights) != len(KINDS) or min(weights) < 0 or not 0 < sum(weights) <= 1e6):
            raise ValueError(f"{len(KINDS)} numbers >= 0 with a sum > 0 are needed, one a kind of white cell")
        return weights


@dataclass(frozen=True, eq=False)
class WhiteCell:
    """A leucocyte: its numbers as `lay_white_cell` reads them, its kind, its granules."""

    kind: str
    numbers: Floats  # (WHITE,)
    outline: Floats  # (ANGLES,)
    lobes: Floats  # (S, 6)
    granules: Floats  # (G, 4)
    granule_planes: NDArray[np.int64]  # (G,)


@dataclass(frozen=True, eq=False)
class Smear:
    """Everything that a picture is made of, as the loops of `blood_cells_stain` read it."""

    width: int
    height: int
    red: Floats  # (N, RED)
    red_outlines: Floats  # (N, ANGLES)
    pile: float
    white: tuple[WhiteCell, ...]
    platelets: Floats  # (P, 8)
    platelet_outlines: Floats
    bubbles: Floats  # (B, 5)
    bubble_outlines: Floats
    dots: Floats  # (D, 4)
    dot_planes: NDArray[np.int64]
    densities: Floats  # (STAINS, 3)
    lattice: Plane


def _bells(rng: Generator, *shape: int) -> Floats:
    """Draws of mean 0 and spread 1, at most 3 away."""
    draws = rng.random((3, *shape))
    total: Floats = (draws[0] + draws[1] + draws[2] - 1.5) * 2.0
    return total


def _count(rng: Generator, mean: float, most: int) -> int:
    """A number of about Poisson's law: of many tries with a small chance each, how many hit."""
    tries = int(4 * mean + 8)
    hits = rng.random(tries) * tries < mean
    return min(most, int(hits.sum()))


def sample_smear(params: SmearParams, seed: int, index: int) -> Smear:
    """The smear that unit `index` shows."""
    rng = unit_rng(seed, index, "smear")
    table = lattice(rng)
    scale = params.width * params.height / (640 * 480)
    white = _white_cells(params, scale, unit_rng(seed, index, "white"))
    red, red_outlines = _red_cells(params, white, unit_rng(seed, index, "red"))
    platelets, platelet_outlines = _platelets(params, scale, white, red, unit_rng(seed, index, "platelets"))
    bubbles, bubble_outlines = _bubbles(params, red, unit_rng(seed, index, "bubbles"))
    dots, planes = _specks(params, scale, unit_rng(seed, index, "specks"))
    return Smear(
        params.width,
        params.height,
        red,
        red_outlines,
        params.pile_density,
        white,
        platelets,
        platelet_outlines,
        bubbles,
        bubble_outlines,
        dots,
        planes,
        _densities(params, rng),
        table,
    )


def _densities(params: SmearParams, rng: Generator) -> Floats:
    """Optical density of every stain in red, green and blue.

    Measured on photographs against their empty field. Nuclei pass more blue than the field does: that is the colour
    matrix of the camera, which is part of what is measured.
    """
    b = _bells(rng, 6)
    brown = min(1.0, max(0.0, params.brownness + params.hue_spread * float(b[0])))
    red = params.red_density * max(0.4, 1 + 0.45 * params.stain_spread * float(b[1]))
    dark = params.stain_density * max(0.4, 1 + params.stain_spread * float(b[2]))
    blue = min(1.0, max(0.0, 0.3 + params.hue_spread * float(b[3])))  # hue of nuclei: 0 violet, 1 navy
    pink = max(0.4, 1 + params.stain_spread * float(b[4]))
    rows = np.zeros((st.STAINS, 3))
    rows[st.HAEMOGLOBIN] = [0.31 * red, (0.6 + 0.1 * brown) * red, (0.3 + 0.42 * brown) * red]
    rows[st.CHROMATIN] = [(0.85 + 0.5 * blue) * dark, (1.6 - 0.15 * blue) * dark, (-0.2 + 0.36 * blue) * dark]
    rows[st.CYTOPLASM] = [0.22 * dark, 0.52 * dark, 0.06 * dark]
    rows[st.PINK] = [0.16 * pink, 0.62 * pink, 0.3 * pink]
    rows[st.AZURE] = [0.75 * dark, 0.4 * dark, 0.02 * dark]
    rows[st.GREY] = [1.0, 1.0, 1.0]
    rows[st.RIM] = [-1.0, -0.95, -0.35]
    return rows


def _spins(rng: Generator, count: int) -> list[tuple[float, float]]:
    return [direction(float(turns)) for turns in rng.random(count)]


# -- red cells ---------------------------------------------------------------------------------------------------------


def _red_places(params: SmearParams, white: tuple[WhiteCell, ...], radii: Floats, rng: Generator) -> list[list[float]]:
    """Centres of red cells: alone and apart, or on another one, mostly on the last of a chain; (x, y, radius)."""
    margin = 0.6 * params.red_diameter_px
    spans = params.width + 2 * margin, params.height + 2 * margin
    placed: list[list[float]] = []
    step = direction(float(rng.random()))
    for radius in radii.tolist():
        piled = bool(placed) and float(rng.random()) < params.clumping
        draws = rng.random((_TRIES, 4)).tolist()
        for a, b, c, d in draws:
            if piled:
                host = placed[-1] if c < 0.6 else placed[int(a * len(placed))]
                turn = direction(d) if c < 0.35 or c > 0.6 else direction(0.16 * (d - 0.5))
                way = (
                    turn
                    if c < 0.35 or c > 0.6
                    else (
                        turn[0] * step[0] - turn[1] * step[1],
                        turn[0] * step[1] + turn[1] * step[0],
                    )
                )
                far = (host[2] + radius) * (0.42 + 0.5 * b)
                x, y = host[0] + far * way[0], host[1] + far * way[1]
            else:
                way = step
                x, y = a * spans[0] - margin, b * spans[1] - margin
            if not (-margin <= x <= params.width + margin and -margin <= y <= params.height + margin):
                continue
            if _free(x, y, radius, placed, white, crowd=3 if piled else 0):
                placed.append([x, y, radius])
                step = way
                break
    return placed


def _free(
    x: float, y: float, radius: float, placed: list[list[float]], white: tuple[WhiteCell, ...], *, crowd: int
) -> bool:
    """Whether a red cell may lie there: off the white cells, touching at most `crowd` others."""
    for cell in white:
        reach = 0.93 * (float(cell.numbers[st.W_RADIUS]) + radius)
        if (x - cell.numbers[st.W_X]) ** 2 + (y - cell.numbers[st.W_Y]) ** 2 < reach * reach:
            return False
    near = 0
    for px, py, other in placed:
        apart = (x - px) * (x - px) + (y - py) * (y - py)
        reach = radius + other
        if apart < 0.1 * reach * reach:
            return False
        near += apart < (0.92 * reach) * (0.92 * reach)
    return near <= crowd


def _red_cells(params: SmearParams, white: tuple[WhiteCell, ...], rng: Generator) -> tuple[Floats, Floats]:
    margin = 1.2 * params.red_diameter_px
    area = (params.width + margin) * (params.height + margin) / (640 * 480)
    shared = _bells(rng, 6)  # what all cells of one smear have alike
    mean = params.red_cells * area * max(0.1, 1 + params.red_cells_spread * float(shared[0]))
    count = min(RED_MAX, int(mean + 0.5))
    looks = _bells(rng, count, 12)
    radii = 0.5 * params.red_diameter_px * np.maximum(0.5, 1 + params.red_diameter_spread * looks[:, 0])
    places = _red_places(params, white, radii, rng)
    count = len(places)
    order = np.arange(1, _HARMONICS + 1)
    falling = np.where(order < 2, 0.0, 2.2 / (order * order * 0.5 + order))
    shape = _bells(rng, 2, count, _HARMONICS) * (params.irregularity * falling)
    flat = rng.random((count, 6))
    cells = np.zeros((count, st.RED))
    for n in range(count):
        shape[:, n] *= 0.4 + 1.2 * flat[n, 5]
        cells[n] = _red_cell(params, places[n], looks[n], flat[n], shared, shape[:, n])
    return cells, outlines(shape[0], shape[1])


def _red_cell(
    params: SmearParams, place: list[float], look: Floats, flat: Floats, shared: Floats, shape: Floats
) -> Floats:
    """The numbers of one red cell; odd ones also change their row of harmonics in `shape`, (2, harmonics)."""
    b = look.tolist()
    x, y, radius = place
    long = 1 + max(0.0, params.elongation * (1 + 0.8 * b[1]))
    pallor = params.pallor + params.pallor_spread * (0.85 * float(shared[1]) + 0.55 * b[2])
    size = params.pallor_size * max(0.4, 1 + 0.2 * b[3] + 0.15 * float(shared[2]))
    slim, target, density = 1 + 0.18 * abs(b[4]), 0.0, 1.0
    if flat[0] < params.odd_shapes:
        odd = int(flat[1] * 6)
        if odd == 0:
            long = 1.5 + 0.4 * float(flat[2])
        elif odd == 1:  # a tail, by harmonics that peak in one direction
            shape[0, :8] += 0.11 * np.array([0.3, 1.0, 0.9, 0.75, 0.6, 0.45, 0.3, 0.15])
        elif odd == 2:
            shape[0, 9 + int(flat[2] * 4)] += 0.035
        elif odd == 3:
            target, pallor, size = 0.45, max(pallor, 0.5), 0.6
        elif odd == 4:
            slim, pallor = 2.6, max(pallor, 0.55)
        else:  # a ghost, of which little but the rim is left
            density, pallor, size = 0.5, 0.85, 0.7
    pallor = min(0.92, max(0.0, pallor))
    wide = radius / np.sqrt(long)
    tall = radius * np.sqrt(long)
    c, s = direction(float(flat[3]))
    pc, ps = direction(float(flat[4]))
    half = size * np.sqrt(slim), size / np.sqrt(slim)
    density *= max(0.45, 1 + 0.17 * b[5]) * (1.0 - 0.1 * pallor)
    reach = 1.45 * tall + st.HALO_PX
    edge = 4.0 + 2.0 * abs(b[8]) + 1.5 * max(0.0, float(shared[5]))
    soft = min(1.0, max(0.15, 0.55 + 0.25 * b[9] + 0.2 * float(shared[3])))
    halo = params.halo * max(0.0, 1 + 0.5 * float(shared[4]) + 0.4 * b[10])
    return np.array(
        [
            *(x, y, c / tall, s / tall, -s / wide, c / wide, radius, reach, reach, density, edge, pallor),
            *(pc / half[0], ps / half[0], -ps / half[1], pc / half[1], 0.07 * b[6], 0.07 * b[7], soft, target, halo),
            *(0.09 * b[11], 0.063 * (b[6] - b[5]), max(0.0, 0.06 + 0.1 * float(shared[2]) + 0.1 * b[7])),
        ]
    )


# -- white cells -------------------------------------------------------------------------------------------------------

# Of every kind: width over that of a neutrophil; cytoplasm, azure, pink, chromatin; grain, mottle.
_LOOKS: dict[str, tuple[float, float, float, float, float, float, float]] = {
    "neutrophil": (1.0, 0.9, 0.0, 0.12, 0.84, 0.24, 0.6),
    "eosinophil": (1.06, 0.5, 0.0, 0.4, 0.74, 0.16, 0.5),
    "lymphocyte": (0.72, 0.3, 0.5, 0.0, 0.95, 0.14, 0.5),
    "monocyte": (1.12, 0.85, 0.22, 0.0, 0.8, 0.18, 0.5),
    "basophil": (0.85, 0.7, 0.1, 0.3, 0.75, 0.15, 0.4),
    "smudge": (0.95, 0.35, 0.25, 0.0, 0.7, 0.3, 0.45),
}


def _white_cells(params: SmearParams, scale: float, rng: Generator) -> tuple[WhiteCell, ...]:
    mean = params.white_cells * scale
    whole = int(mean)
    count = min(WHITE_MAX, whole + int(float(rng.random()) < mean - whole))
    cells: list[WhiteCell] = []
    for _ in range(count):
        kind = KINDS[mixed(params.kind_weights or KIND_WEIGHTS, float(rng.random()))]
        b = _bells(rng, 12).tolist()
        radius = 0.5 * params.white_diameter_px * _LOOKS[kind][0] * max(0.5, 1 + params.white_diameter_spread * b[0])
        # Whoever takes the picture mostly has the white cell whole in it.
        inner = 0.97 * radius if float(rng.random()) < 0.62 else -0.1 * radius
        for across, down in rng.random((_TRIES, 2)).tolist():
            x = min(inner, 0.5 * params.width) + across * max(0.0, params.width - 2 * inner)
            y = min(inner, 0.5 * params.height) + down * max(0.0, params.height - 2 * inner)
            if all(
                (x - o.numbers[st.W_X]) ** 2 + (y - o.numbers[st.W_Y]) ** 2 > (radius + o.numbers[st.W_RADIUS]) ** 2
                for o in cells
            ):
                cells.append(_white_cell(kind, x, y, radius, b, rng))
                break
    return tuple(cells)


def _white_cell(kind: str, x: float, y: float, radius: float, b: list[float], rng: Generator) -> WhiteCell:
    _, cytoplasm, azure, pink, chromatin, grain, mottle = _LOOKS[kind]
    fade = 1 / (1 + 0.5 * max(0.0, radius / 89 - 1))  # a cell spread wide is thin
    order = np.arange(1, 8)
    wobble = (0.16 if kind == "smudge" else 0.055) / (order + 0.5)
    shape = _bells(rng, 2, 7) * wobble
    shape[:, 0] = 0
    ragged = 0.15 * radius if kind == "smudge" else 1.5 + 2.0 * abs(b[1])
    numbers = [x, y, radius, 2.2 + abs(b[2]), ragged]
    numbers += [cytoplasm * fade * (1 + 0.2 * b[3]), azure * (1 + 0.3 * b[4]), pink * (1 + 0.3 * b[5])]
    numbers += [chromatin * fade * (1 + 0.1 * b[6]), grain * (1 + 0.25 * b[7]), mottle * (1 + 0.25 * b[8])]
    numbers += [3.4 + 0.8 * abs(b[9]), 0.09 * radius if kind == "smudge" else 5.0 + 1.5 * b[10]]
    numbers += (64 * 34 * rng.random(2)).tolist()
    lobes = _nucleus(kind, radius, rng)
    outline = outlines(shape[:1], shape[1:])[0]
    granules, planes = _granules(kind, np.array([x, y]), radius, lobes, rng)
    return WhiteCell(kind, np.array(numbers), outline, lobes, granules, planes)


def _nucleus(kind: str, radius: float, rng: Generator) -> Floats:
    """Strokes (x, y, radius at both ends), pixels from the cell's centre, whose union is the nucleus."""
    flat = rng.random(40).tolist()
    turn = flat[0]
    shift = [0.14 * radius * (flat[1] - 0.5), 0.14 * radius * (flat[2] - 0.5)]
    if kind in {"lymphocyte", "smudge", "basophil"}:
        big = {"lymphocyte": 0.83, "smudge": 0.8, "basophil": 0.62}[kind] * radius
        c, s = direction(turn)
        reach = 0.16 * big * (1 + flat[3])
        strokes = [[c * reach, s * reach, 0.86 * big, -c * reach, -s * reach, 0.8 * big]]
    elif kind == "monocyte" or (kind == "neutrophil" and flat[4] < 0.16):  # a kidney, or the horseshoe of a young one
        thick = 0.36 if kind == "monocyte" else 0.23
        strokes = _arc(radius, turn, 0.36 * radius, 0.34 + 0.2 * flat[5], [thick * (0.9 + 0.2 * f) for f in flat[6:12]])
    else:
        lobes = 2 + int(flat[4] < 0.3) if kind == "eosinophil" else 3 + int(2.6 * flat[3])
        size = 0.34 if kind == "eosinophil" else 0.62 / np.sqrt(lobes + 1.0)
        strokes = _lobed(radius, turn, lobes, size, flat[5:])
    moved: Floats = np.array(strokes) + np.array([*shift, 0, *shift, 0])
    return moved


def _arc(radius: float, turn: float, bow: float, share: float, thick: list[float]) -> list[list[float]]:
    """A bent sausage: strokes along `share` of a circle of radius `bow`."""
    points = []
    for place, width in enumerate(thick):
        c, s = direction(turn + share * (place / (len(thick) - 1) - 0.5))
        points.append([bow * (c - 0.45 * share), bow * (s if share else 0.0), width * radius])
    return [[*one, *other] for one, other in pairwise(points)]


def _lobed(radius: float, turn: float, lobes: int, size: float, flat: list[float]) -> list[list[float]]:
    """Lobes along a bow, each a short stroke across or along it, joined by thin bridges."""
    strokes, before = [], None
    spread = 0.62 + 0.2 * flat[0]
    for lobe in range(lobes):
        f = flat[1 + 5 * lobe : 6 + 5 * lobe]
        c, s = direction(turn + spread * (lobe / lobes) + 0.05 * (f[0] - 0.5))
        far = radius * (0.36 + 0.2 * f[1])
        x, y, half = far * c, far * s, radius * size * (0.8 + 0.4 * f[2])
        dc, ds = direction(f[3])
        stretch = half * (0.35 + 0.5 * f[4])
        strokes.append(
            [
                x + stretch * dc,
                y + stretch * ds,
                half * 0.8,
                x - stretch * dc,
                y - stretch * ds,
                half * (0.6 + 0.25 * f[1]),
            ]
        )
        if before is not None:
            thin = radius * (0.06 + 0.07 * f[0])
            strokes.append([*before, thin, x, y, thin])
        before = [x, y]
    return strokes


def _granules(
    kind: str, centre: Floats, radius: float, lobes: Floats, rng: Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """Granules of eosinophils (pink, beside the nucleus) and basophils (dark, everywhere); (x, y, radius, amount)."""
    count = {"eosinophil": int(0.034 * radius * radius), "basophil": 90, "neutrophil": 40}.get(kind, 0)
    draws = rng.random((count, 5))
    spots = (2 * draws[:, :2] - 1) * radius
    inside = spots[:, 0] ** 2 + spots[:, 1] ** 2 < (0.94 * radius) ** 2
    if kind != "basophil":
        inside &= np.array([st.lobe_distance(lobes, x, y) > -1.0 for x, y in spots.tolist()], np.bool_)
    size, strength, plane = {
        "eosinophil": (4.6, 0.75, st.PINK),
        "basophil": (6.5, 0.75, st.CHROMATIN),
    }.get(kind, (2.4, 0.35, st.PINK))
    dots = np.empty((count, 4))
    dots[:, :2] = spots + centre
    dots[:, 2] = size * (0.75 + 0.5 * draws[:, 2])
    dots[:, 3] = strength * (0.5 + draws[:, 3])
    kept: Floats = dots[inside]
    return kept, np.full(len(kept), plane, np.int64)


# -- platelets, drying spots, specks -----------------------------------------------------------------------------------


def _in_plasma(x: float, y: float, white: tuple[WhiteCell, ...], red: Floats) -> bool:
    """Whether no cell lies at (x, y)."""
    for cell in white:
        apart = (x - float(cell.numbers[st.W_X])) ** 2 + (y - float(cell.numbers[st.W_Y])) ** 2
        if apart < float(cell.numbers[st.W_RADIUS]) ** 2:
            return False
    dx, dy = x - red[:, st.X], y - red[:, st.Y]
    u = red[:, st.M00] * dx + red[:, st.M01] * dy
    v = red[:, st.M10] * dx + red[:, st.M11] * dy
    return bool((u * u + v * v > 1.2).all())


def _platelets(
    params: SmearParams, scale: float, white: tuple[WhiteCell, ...], red: Floats, rng: Generator
) -> tuple[Floats, Floats]:
    """Platelets, most of them between the cells."""
    count = _count(rng, params.platelets * scale, PLATELETS_MAX)
    b = _bells(rng, count, 4)
    flat = rng.random((count, 6)).tolist()
    shared = _bells(rng, 3).tolist()
    rows = np.zeros((count, 8))
    for n in range(count):
        f = flat[n]
        radius = 0.5 * params.platelet_diameter_px * max(0.5, 1 + 0.2 * float(b[n, 0]))
        x, y = f[0] * params.width, f[1] * params.height
        if f[4] > params.platelets_on_cells:
            for across, down in rng.random((_TRIES, 2)).tolist():
                x, y = across * params.width, down * params.height
                if _in_plasma(x, y, white, red):
                    break
        if n and f[2] < params.platelet_clumping:
            c, s = direction(f[0])
            far = (rows[n - 1, 2] + radius) * (0.8 + 0.5 * f[1])
            x, y = rows[n - 1, 0] + far * c, rows[n - 1, 1] + far * s
        soft = 4.0 + 1.5 * abs(float(b[n, 1]))
        hue = min(1.0, max(0.0, 0.22 + 0.25 * shared[0] + 0.25 * float(b[n, 2])))  # 0 violet, 1 pale blue
        dense = max(0.4, 1 + 0.25 * shared[1] + 0.25 * float(b[n, 3]))
        rows[n] = [x, y, radius, soft, (0.7 - 0.45 * hue) * dense, (0.1 + 0.4 * hue) * dense, 0.26, 64 * f[3]]
    order = np.arange(1, 7)
    shape = _bells(rng, 2, count, 6) * (0.22 / (order * np.sqrt(order)))
    return rows, outlines(shape[0], shape[1])


def _bubbles(params: SmearParams, red: Floats, rng: Generator) -> tuple[Floats, Floats]:
    """Drying spots lie in cells; some smears have many, most have few."""
    badness = float(rng.random())
    share = min(1.0, params.bubbles * 3 * badness * badness)
    flat = rng.random((len(red), 6))
    rows = []
    for cell, f in zip(red.tolist(), flat.tolist(), strict=True):
        if f[0] >= share:
            continue
        far = 0.55 * cell[st.RADIUS]
        radius = 2.5 + 13.0 * f[3] * f[3] * f[3]
        x, y = cell[st.X] + far * (2 * f[1] - 1), cell[st.Y] + far * (2 * f[2] - 1)
        rows.append([x, y, radius, 1.6 + 0.09 * radius + f[4], 0.35 + 0.55 * f[5]])
    order = np.arange(1, 6)
    shape = _bells(rng, 2, len(rows), 5) * (0.2 / order)
    return np.array(rows).reshape(-1, 5), outlines(shape[0], shape[1])


def _specks(params: SmearParams, scale: float, rng: Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Dust out of focus, tiny black specks, faint rings of dust on the sensor, crumbs and chains of stain."""
    dots: list[list[float]] = []
    planes: list[int] = []
    for kind, across, down, f in rng.random((_count(rng, params.dust * scale, 400), 4)).tolist():
        x, y = across * params.width, down * params.height
        if kind < 0.2:
            soft = 12 + 10 * f
            for shift in (-0.35, 0.35):
                dots.append([x + shift * soft, y + shift * soft * (f - 0.3), soft, 0.16])
                planes.append(st.GREY)
        elif kind < 0.5:
            dots.append([x, y, 2.2 + 1.8 * f, 0.55 * (0.5 + f)])
            planes.append(st.GREY)
        else:
            radius = 4.5 + 4 * f
            dots += [[x, y, radius, 0.22], [x, y, 0.72 * radius, -0.38]]
            planes += [st.GREY, st.GREY]
    for across, down, links, f in rng.random((_count(rng, params.precipitate * scale, 400), 4)).tolist():
        x, y = across * params.width, down * params.height
        for dx, dy, size in (rng.random((1 + int(9 * links * links), 3)) - 0.5).tolist():
            dots.append([x, y, 3.2 + 2.4 * f + 2 * size, 0.9])
            planes.append(st.CHROMATIN)
            x, y = x + 13 * dx, y + 13 * dy
    return np.array(dots).reshape(-1, 4), np.array(planes, np.int64)
