"""How a stained smear takes light away: cells laid down as amounts of stain, and the picture that light makes of them.

Owns the compiled loops over pixels. Every loop is sequential and uses exact arithmetic, so a smear looks the same to
the bit everywhere. Knows nothing of parameters, chance and annotations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled, inlined, kernel
from neuromation.synthetic.generators.ink import (
    Floats,
    Plane,
    bell,
    cloud_at,
    noise_at,
    radius_at,
    smooth,
    transmission,
)

# Planes of the stain map. Amounts are relative: 1 is a usual cell of the kind.
HAEMOGLOBIN, CHROMATIN, CYTOPLASM, PINK, AZURE, GREY, RIM = range(7)
STAINS = 7

# Columns of a red cell.
(
    X,  # centre, pixels
    Y,
    M00,  # pixels from the centre to units of the outline
    M01,
    M10,
    M11,
    RADIUS,  # pixels of one unit, for depths below the edge
    REACH_X,  # half the box that holds the cell and its halo, pixels
    REACH_Y,
    DENSITY,
    EDGE,  # width over which the edge fades, pixels
    PALLOR,  # how much of the middle is missing, 0..1
    P00,  # from units of the outline to units of the pallor
    P01,
    P10,
    P11,
    PALLOR_X,  # its centre, units of the outline
    PALLOR_Y,
    PALLOR_SOFT,  # 0: a sharp step; 1: a funnel
    TARGET,  # a denser spot in the middle of the pallor, 0..1
    HALO,  # brightness of the refraction line outside
    TILT_X,  # one side thicker than the other, per unit
    TILT_Y,
    MAUVE,  # stain taken up from the plasma
) = range(24)
RED = 24
HALO_PX = 9.0


@inlined
def _window(cell: Floats, height: int, width: int) -> tuple[int, int, int, int]:
    left = max(0, int(np.floor(cell[X] - cell[REACH_X])))
    right = min(width, int(np.floor(cell[X] + cell[REACH_X])) + 2)
    top = max(0, int(np.floor(cell[Y] - cell[REACH_Y])))
    bottom = min(height, int(np.floor(cell[Y] + cell[REACH_Y])) + 2)
    return left, right, top, bottom


@kernel
def lay_red_cells(stain: Plane, cells: Floats, outlines: Floats, lattice: Plane, pile: float) -> None:
    """Add red cells to a stain map.

    Args:
        stain: float32 (height, width, STAINS), changed.
        cells: float64 (N, RED).
        outlines: float64 (N, ANGLES).
        lattice: of `noise_at`.
        pile: how much of its density a cell keeps where another lies already, 0..1: in a smear cells that touch
            flatten each other.
    """
    height, width, _ = stain.shape
    for n in range(len(cells)):
        cell, outline = cells[n], outlines[n]
        left, right, top, bottom = _window(cell, height, width)
        for row in range(top, bottom):
            for column in range(left, right):
                dx, dy = column + 0.5 - cell[X], row + 0.5 - cell[Y]
                u = cell[M00] * dx + cell[M01] * dy
                v = cell[M10] * dx + cell[M11] * dy
                away = np.sqrt(u * u + v * v)
                rho = away / radius_at(outline, u, v)
                depth = (rho - 1.0) * cell[RADIUS]  # pixels beyond the edge
                if depth > HALO_PX:
                    continue
                spot = stain[row, column]
                spot[RIM] += np.float32(cell[HALO] * bell((depth - 0.45 * HALO_PX) / (0.55 * HALO_PX)))
                cover = smooth(-depth, -0.5 * cell[EDGE], 0.5 * cell[EDGE])
                if cover <= 0.0:
                    continue
                amount = cell[DENSITY] * _thickness(cell, u, v, rho)
                amount *= 1.0 + 0.04 * noise_at(lattice, 0.11 * column + 7.7 * n, 0.11 * row)
                kept = 1.0 - (1.0 - pile) * min(1.0, spot[HAEMOGLOBIN])
                spot[HAEMOGLOBIN] += np.float32(cover * amount * kept)
                spot[CYTOPLASM] += np.float32(cover * cell[MAUVE] * kept)
                # The steep flank of the cell bends light out of the lens: a thin darker line.
                spot[GREY] += np.float32(0.35 * cell[HALO] * bell((depth + 2.2) / 2.6))


@inlined
def _thickness(cell: Floats, u: float, v: float, rho: float) -> float:
    """Of a biconcave disc at (u, v), about 1 at its rim; rho is the share of the way to the edge."""
    a, b = u - cell[PALLOR_X], v - cell[PALLOR_Y]
    p = cell[P00] * a + cell[P01] * b
    q = cell[P10] * a + cell[P11] * b
    inner = np.sqrt(p * p + q * q)
    dip = 1.0 - smooth(inner, 0.75 - 0.75 * cell[PALLOR_SOFT], 1.15 + 0.35 * cell[PALLOR_SOFT])
    shape = (0.93 + 0.12 * rho * rho) * (1.0 + cell[TILT_X] * u + cell[TILT_Y] * v)
    return float(shape * (1.0 - cell[PALLOR] * dip) + cell[TARGET] * bell(inner / 0.6))


@compiled
def count_red_cells(
    cover: NDArray[np.uint8], ids: NDArray[np.uint16], cells: Floats, outlines: Floats, first: int
) -> NDArray[np.int64]:
    """Mark where red cells lie; the last one is on top.

    Args:
        cover: uint8 (height, width), how many outlines hold a pixel's centre; changed.
        ids: uint16 (height, width); changed to `first` + n where cell n lies.

    Returns:
        int64 (N, 6): left, top, right, bottom (beyond) of the part inside the picture, its pixels, and the pixels of
        the whole outline, inside or not.
    """
    height, width = cover.shape
    found = np.zeros((len(cells), 6), np.int64)
    for n in range(len(cells)):
        cell, outline = cells[n], outlines[n]
        box = found[n]
        box[0], box[1] = width, height
        for row in range(int(np.floor(cell[Y] - cell[REACH_Y])), int(np.floor(cell[Y] + cell[REACH_Y])) + 2):
            for column in range(int(np.floor(cell[X] - cell[REACH_X])), int(np.floor(cell[X] + cell[REACH_X])) + 2):
                dx, dy = column + 0.5 - cell[X], row + 0.5 - cell[Y]
                u = cell[M00] * dx + cell[M01] * dy
                v = cell[M10] * dx + cell[M11] * dy
                radius = radius_at(outline, u, v)
                if u * u + v * v > radius * radius:
                    continue
                box[5] += 1
                if row < 0 or column < 0 or row >= height or column >= width:
                    continue
                box[4] += 1
                box[0], box[1] = min(box[0], column), min(box[1], row)
                box[2], box[3] = max(box[2], column + 1), max(box[3], row + 1)
                cover[row, column] = min(254, cover[row, column]) + 1
                ids[row, column] = first + n
    return found


@compiled
def covered_share(cover: NDArray[np.uint8], cells: Floats, outlines: Floats) -> Floats:
    """The share of every cell's part inside the picture that another cell lies on or under: float64 (N,)."""
    height, width = cover.shape
    shares = np.zeros(len(cells))
    for n in range(len(cells)):
        cell, outline = cells[n], outlines[n]
        left, right, top, bottom = _window(cell, height, width)
        seen, shared = 0, 0
        for row in range(top, bottom):
            for column in range(left, right):
                dx, dy = column + 0.5 - cell[X], row + 0.5 - cell[Y]
                u = cell[M00] * dx + cell[M01] * dy
                v = cell[M10] * dx + cell[M11] * dy
                radius = radius_at(outline, u, v)
                if u * u + v * v <= radius * radius:
                    seen += 1
                    shared += int(cover[row, column] > 1)
        shares[n] = shared / max(1, seen)
    return shares


# Numbers of a white cell.
(
    W_X,
    W_Y,
    W_RADIUS,
    W_EDGE,  # softness of its edge, pixels
    W_RAGGED,  # how far the edge wanders, pixels
    W_CYTOPLASM,  # amounts of stain
    W_AZURE,
    W_PINK,
    W_CHROMATIN,
    W_GRAIN,  # contrast of the cytoplasm's grain
    W_MOTTLE,  # contrast of the nucleus
    W_NUCLEUS_EDGE,  # softness, pixels
    W_NUCLEUS_RAGGED,
    W_SEED_X,  # where its noise is taken from
    W_SEED_Y,
) = range(15)
WHITE = 15


@inlined
def lobe_distance(lobes: Floats, x: float, y: float) -> float:
    """Pixels from (x, y) to the nearest of some tapered strokes, negative inside; `lobes` float64 (S, 6): x, y, radius
    of both ends."""
    nearest = 1e9
    for n in range(len(lobes)):
        ax, ay, ra = lobes[n, 0], lobes[n, 1], lobes[n, 2]
        bx, by = lobes[n, 3] - ax, lobes[n, 4] - ay
        px, py = x - ax, y - ay
        along = (px * bx + py * by) / max(1e-9, bx * bx + by * by)
        along = min(1.0, max(0.0, along))
        qx, qy = px - along * bx, py - along * by
        nearest = min(nearest, np.sqrt(qx * qx + qy * qy) - ra - along * (lobes[n, 5] - ra))
    return nearest


@kernel
def lay_white_cell(
    stain: Plane, inside: NDArray[np.bool_], cell: Floats, outline: Floats, lobes: Floats, lattice: Plane
) -> int:
    """Add a white cell: grainy cytoplasm and a mottled nucleus of lobes.

    Args:
        stain: float32 (height, width, STAINS), changed.
        inside: bool (height, width), becomes true where the cell lies.
        cell: float64 (WHITE,).
        outline: float64 (ANGLES,), of the cytoplasm.
        lobes: float64 (S, 6), strokes of the nucleus relative to the centre, pixels.

    Returns:
        Pixels of the whole cell, inside the picture or not.
    """
    height, width, _ = stain.shape
    reach = cell[W_RADIUS] * 1.6 + 8.0
    whole = 0
    for row in range(int(cell[W_Y] - reach), int(cell[W_Y] + reach) + 1):
        for column in range(int(cell[W_X] - reach), int(cell[W_X] + reach) + 1):
            dx, dy = column + 0.5 - cell[W_X], row + 0.5 - cell[W_Y]
            away = np.sqrt(dx * dx + dy * dy)
            depth = away - cell[W_RADIUS] * radius_at(outline, dx, dy)
            if depth > HALO_PX + cell[W_RAGGED]:
                continue
            sx, sy = dx + cell[W_SEED_X], dy + cell[W_SEED_Y]
            depth += cell[W_RAGGED] * cloud_at(lattice, sx / 16.0, sy / 16.0)
            whole += int(depth <= 0.0)
            if row < 0 or column < 0 or row >= height or column >= width:
                continue
            if depth <= 0.0:
                inside[row, column] = True
            _stain_white(stain[row, column], cell, lobes, lattice, dx, dy, depth)
    return whole


@inlined
def _stain_white(spot: Plane, cell: Floats, lobes: Floats, lattice: Plane, dx: float, dy: float, depth: float) -> None:
    """One pixel of a white cell, (dx, dy) from its centre and `depth` pixels outside its edge."""
    sx, sy = dx + cell[W_SEED_X], dy + cell[W_SEED_Y]
    spot[RIM] += np.float32(0.05 * bell((depth - 4.0) / 5.0))
    cover = smooth(-depth, -cell[W_EDGE], cell[W_EDGE])
    if cover <= 0.0:
        return
    grain = noise_at(lattice, sx / 2.6, sy / 2.6) + 0.8 * noise_at(lattice, sx / 5.3 + 9.0, sy / 5.3)
    veil = cloud_at(lattice, sx / 34.0 + 3.0, sy / 34.0)
    rim = 1.0 + 0.25 * bell((depth + 3.0) / 5.0)
    body = cover * rim * max(0.15, 1.0 + cell[W_GRAIN] * grain + 0.3 * veil)
    gap = lobe_distance(lobes, dx, dy) + cell[W_NUCLEUS_RAGGED] * cloud_at(lattice, sx / 13.0, sy / 13.0 + 21.0)
    nucleus = smooth(-gap, -cell[W_NUCLEUS_EDGE], cell[W_NUCLEUS_EDGE])
    free = 1.0 - 0.6 * nucleus
    spot[HAEMOGLOBIN] *= np.float32(1.0 - 0.8 * cover)  # a white cell pushes red ones aside
    spot[CYTOPLASM] += np.float32(cell[W_CYTOPLASM] * body * free)
    spot[AZURE] += np.float32(cell[W_AZURE] * body * free)
    spot[PINK] += np.float32(cell[W_PINK] * body * free)
    if nucleus > 0.0:
        clumps = cloud_at(lattice, sx / 8.5 + 31.0, sy / 8.5)
        fold = noise_at(lattice, sx / 19.0, sy / 19.0 + 11.0)
        edge = 0.12 * bell((gap + 3.0) / 4.0)
        density = 1.0 + cell[W_MOTTLE] * (0.55 * clumps + 0.45 * fold) + edge
        spot[CHROMATIN] += np.float32(cell[W_CHROMATIN] * nucleus * max(0.2, density))


@kernel
def lay_dots(stain: Plane, dots: Floats, planes: NDArray[np.int64]) -> None:
    """Add soft round dots: granules, dust, precipitate.

    Args:
        dots: float64 (N, 4): x, y, radius in pixels, amount.
        planes: int64 (N,), which stain.
    """
    height, width, _ = stain.shape
    for n in range(len(dots)):
        x, y, radius, amount = dots[n, 0], dots[n, 1], dots[n, 2], dots[n, 3]
        for row in range(max(0, int(y - radius)), min(height, int(y + radius) + 1)):
            for column in range(max(0, int(x - radius)), min(width, int(x + radius) + 1)):
                dx, dy = column + 0.5 - x, row + 0.5 - y
                share = (dx * dx + dy * dy) / (radius * radius)
                if share < 1.0:
                    stain[row, column, planes[n]] += np.float32(amount * (1.0 - share) * (1.0 - 0.4 * share))


@kernel
def lay_platelet(stain: Plane, inside: NDArray[np.bool_], numbers: Floats, outline: Floats, lattice: Plane) -> int:
    """Add a platelet: x, y, radius and softness in pixels, chromatin, azure, grain, seed; its pixels, inside or not."""
    height, width, _ = stain.shape
    x, y, radius, soft, purple, azure, grain, seed = numbers
    reach = radius * 2.0 + soft + 2.0
    whole = 0
    for row in range(int(y - reach), int(y + reach) + 1):
        for column in range(int(x - reach), int(x + reach) + 1):
            dx, dy = column + 0.5 - x, row + 0.5 - y
            away = np.sqrt(dx * dx + dy * dy)
            edge = radius * radius_at(outline, dx, dy)
            depth = away - edge + 0.1 * radius * cloud_at(lattice, dx / 9.0 + seed, dy / 9.0)
            whole += int(depth <= 0.0)
            if row < 0 or column < 0 or row >= height or column >= width:
                continue
            if depth <= 0.0:
                inside[row, column] = True
            cover = smooth(-depth, -soft, soft)
            if cover <= 0.0:
                continue
            specks = noise_at(lattice, dx / 2.3 + seed, dy / 2.3) + noise_at(lattice, dx / 4.5, dy / 4.5 + seed)
            heart = bell(away / (0.95 * edge))
            spot = stain[row, column]
            spot[CHROMATIN] += np.float32(purple * cover * max(0.1, 0.25 + 0.85 * heart + grain * specks))
            spot[AZURE] += np.float32(azure * cover)
    return whole


@kernel
def lay_bubbles(stain: Plane, bubbles: Floats, outlines: Floats) -> None:
    """Add refractile spots, where the smear dried badly: a bright middle in a dark ring.

    Args:
        bubbles: float64 (N, 5): x, y, radius and width of the ring in pixels, strength.
        outlines: float64 (N, ANGLES).
    """
    height, width, _ = stain.shape
    for n in range(len(bubbles)):
        x, y, radius, ring, strength = bubbles[n]
        reach = 1.7 * radius + 3.0 * ring
        for row in range(max(0, int(y - reach)), min(height, int(y + reach) + 1)):
            for column in range(max(0, int(x - reach)), min(width, int(x + reach) + 1)):
                dx, dy = column + 0.5 - x, row + 0.5 - y
                depth = np.sqrt(dx * dx + dy * dy) - radius * radius_at(outlines[n], dx, dy)
                if depth > 3.0 * ring:
                    continue
                spot = stain[row, column]
                core = smooth(-depth, 0.0, 1.5 * ring)
                spot[HAEMOGLOBIN] *= np.float32(1.0 - 0.85 * strength * core)
                spot[GREY] += np.float32(strength * (0.75 * bell(depth / ring) - 0.12 * core))
                spot[PINK] += np.float32(strength * 0.22 * core)
                spot[RIM] += np.float32(0.06 * strength * bell((depth - 1.6 * ring) / ring))


@compiled
def light_through(stain: Plane, densities: Floats, lamp: Floats, lattice: Plane) -> Plane:
    """The picture that a lamp makes through a stain map, by the law of Beer and Lambert.

    Args:
        stain: float32 (height, width, STAINS).
        densities: float64 (STAINS, 3), optical density (natural) of one amount of each stain in red, green, blue.
        lamp: float64 (11,): light of the empty field in red, green, blue; its slope to the right and down over the
            picture; its fall towards the corners; the place of its middle in x and y, 0..1; unevenness; how much
            faster red grows than blue to the right and down.

    Returns:
        float32 (3, height, width), linear light.
    """
    light = np.empty((3, stain.shape[0], stain.shape[1]), np.float32)
    _shine(light, stain, densities, lamp, lattice, np.empty((3, stain.shape[1]), np.float32))
    return light


@kernel
def _shine(light: Plane, stain: Plane, densities: Floats, lamp: Floats, lattice: Plane, density: Plane) -> None:
    """`light_through`, with `density` float32 (3, width) as room for one row."""
    height, width, stains = stain.shape
    for row in range(height):
        v = row / height - lamp[7]
        for column in range(width):
            for c in range(3):
                total = 0.0
                for k in range(stains):
                    total += stain[row, column, k] * densities[k, c]
                density[c, column] = total
        for column in range(width):
            u = column / width - lamp[6]
            lit = 1.0 + lamp[3] * u + lamp[4] * v - lamp[5] * (u * u + v * v)
            lit += lamp[8] * noise_at(lattice, 4.0 * u + 40.0, 4.0 * v + 40.0)
            warm = lamp[9] * u + lamp[10] * v
            for c in range(3):
                light[c, row, column] = (lit + warm * (1 - c)) * lamp[c] * transmission(density[c, column])
