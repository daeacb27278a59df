"""The compiled loops that draw a roadside and the signs in it, in linear light.

Sequential and exact: additions, multiplications, divisions, comparisons and square roots in a fixed order. Knows plain
arrays only; what they mean is written in `traffic_signs_scene`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled, inlined, kernel
from neuromation.synthetic.generators.ink import Floats, Plane, bell, cloud_at, noise_at, smooth, transmission
from neuromation.synthetic.generators.traffic_signs_marks import FILL, Inked

Seen = tuple[float, float, float, float]  # red, green, blue, distance in metres

# Numbers of a view: focal length, place of the horizon's middle, in pixels; road and its bend; weather.
(
    V_FOCAL,
    V_X,
    V_HORIZON,
    V_ROAD_LEFT,  # edges of the road, metres to the right of the camera
    V_ROAD_RIGHT,
    V_BEND,  # metres to the right for each square metre of distance
    V_EYE_M,  # height of the camera
    V_FOG,  # density for each metre
    V_FOG_R,
    V_FOG_G,
    V_FOG_B,
    V_SKY_R,  # colour of the sky straight up
    V_SKY_G,
    V_SKY_B,
    V_LOW_R,  # colour of the sky at the horizon
    V_LOW_G,
    V_LOW_B,
    V_CLOUDS,  # 0 clear .. 1 overcast
    V_SUN,  # brightness of what stands in the open
    V_HEADLIGHT,  # brightness of the road under the headlights
    V_HILL,  # height of the hills over the focal length
    V_PAVED,  # 0 grass beside the road, 1 pavement
    V_SEED,
) = range(23)
VIEW = 23

# Columns of a building: left, right, top over the focal length; colour; window step across and down; window share; seed.
BUILDING = 10
# Columns of a tree: middle, height of the crown's middle, half width and height of the crown, over the focal length;
# colour; width of the trunk; distance in metres; seed.
TREE = 10


@inlined
def _sky(view: Floats, lattice: Plane, x: float, y: float) -> tuple[float, float, float]:
    """Colour of the sky in the direction (x, y), y < 0 above the horizon."""
    up = smooth(-y, 0.0, 0.55)
    drift = cloud_at(lattice, 2.2 * x + view[V_SEED], 5.0 * y)
    cloud = smooth(drift, 0.55 - 1.1 * view[V_CLOUDS], 0.95 - 1.1 * view[V_CLOUDS])
    white = 1.06 * view[V_LOW_G]
    r = view[V_LOW_R] * (1.0 - up) + view[V_SKY_R] * up
    g = view[V_LOW_G] * (1.0 - up) + view[V_SKY_G] * up
    b = view[V_LOW_B] * (1.0 - up) + view[V_SKY_B] * up
    shade = 0.92 + 0.12 * drift
    return r + cloud * (white * shade - r), g + cloud * (white * shade - g), b + cloud * (white * shade - b)


@inlined
def _ground(view: Floats, lattice: Plane, x: float, y: float) -> tuple[float, float, float, float]:
    """Colour and distance of the ground in the direction (x, y), y > 0 below the horizon."""
    far = view[V_EYE_M] / max(0.004, y)
    side = x * far - view[V_BEND] * far * far
    grain = 0.6 * noise_at(lattice, 3.0 * side + view[V_SEED], 3.0 * far) * smooth(-far, -40.0, -8.0)
    grain += 0.4 * cloud_at(lattice, 0.35 * side, 0.12 * far + view[V_SEED])
    left, right = view[V_ROAD_LEFT], view[V_ROAD_RIGHT]
    lit = view[V_SUN] + view[V_HEADLIGHT] * smooth(-far, -45.0, -6.0)
    if left < side < right:
        tone = 0.11 + 0.028 * grain
        middle = 0.5 * (left + right)
        wide = 0.06 + 0.004 * far
        mark = bell((side - left - 0.35) / (2.0 * wide)) + bell((side - right + 0.35) / (2.0 * wide))
        dash = (far + view[V_SEED]) * 0.11
        if dash - np.floor(dash) < 0.42:  # a broken line
            mark += bell((side - middle) / (2.0 * wide))
        tone += 0.5 * min(1.0, mark)
        return tone * lit, tone * lit, 1.03 * tone * lit, far
    if view[V_PAVED] > 0.5 and left - 3.5 < side < right + 3.5:
        slab = np.floor(side * 1.6) + np.floor(far * 0.8)
        tone = 0.23 + 0.05 * grain + 0.012 * (slab - 2.0 * np.floor(0.5 * slab))
        return tone * lit, 0.98 * tone * lit, 0.93 * tone * lit, far
    dry = 0.5 + 0.5 * cloud_at(lattice, 0.12 * side + 9.0, 0.06 * far)
    tone = 1.0 + 0.45 * grain
    return (0.07 + 0.09 * dry) * tone * lit, (0.115 + 0.03 * dry) * tone * lit, 0.032 * tone * lit, far


@compiled
def draw_roadside(
    height: int, width: int, step: int, view: Floats, buildings: Floats, trees: Floats, lattice: Plane
) -> Plane:
    """Sky, hills, buildings, trees, road and verge in their order of distance.

    Args:
        height, width: of the result.
        step: pixels of the whole picture that one pixel of the result stands for.
        view: float64 (VIEW,).
        buildings: float64 (B, BUILDING).
        trees: float64 (T, TREE), far ones first.

    Returns:
        float32 (height, width, 3), linear light.
    """
    light = np.empty((height, width, 3), np.float32)
    _look_around(light, step, view, buildings, trees, lattice)
    return light


@kernel
def _look_around(light: Plane, step: int, view: Floats, buildings: Floats, trees: Floats, lattice: Plane) -> None:
    """`draw_roadside` into `light`."""
    height, width, _ = light.shape
    focal = view[V_FOCAL]
    for row in range(height):
        y = ((row + 0.5) * step - view[V_HORIZON]) / focal
        for column in range(width):
            x = ((column + 0.5) * step - view[V_X]) / focal
            if y > 0.0:
                r, g, b, far = _ground(view, lattice, x, y)
            else:
                r, g, b = _sky(view, lattice, x, y)
                far = 0.0  # the sky has its fog in its colour
                rise = view[V_HILL] * (1.0 + 0.8 * noise_at(lattice, 2.6 * x + view[V_SEED], 3.3))
                if -y < rise + 0.006 * noise_at(lattice, 40.0 * x, 8.0):
                    tone = (0.7 + 0.5 * cloud_at(lattice, 24.0 * x, 40.0 * y)) * view[V_SUN]
                    r, g, b, far = 0.075 * tone, 0.12 * tone, 0.08 * tone, 260.0
            seen = _built(view, buildings, lattice, x, y, (r, g, b, far))
            r, g, b, far = _grown(view, trees, lattice, x, y, seen)
            clear = transmission(min(12.0, view[V_FOG] * far))
            light[row, column, 0] = view[V_FOG_R] + clear * (r - view[V_FOG_R])
            light[row, column, 1] = view[V_FOG_G] + clear * (g - view[V_FOG_G])
            light[row, column, 2] = view[V_FOG_B] + clear * (b - view[V_FOG_B])


@inlined
def _built(view: Floats, buildings: Floats, lattice: Plane, x: float, y: float, behind: Seen) -> Seen:
    """The colour with houses, which stand on a line a little below the horizon."""
    r, g, b, far = behind
    for n in range(len(buildings)):
        house = buildings[n]
        if not (house[0] < x < house[1] and -house[2] < y < 0.03):
            continue
        plaster = (1.0 + 0.12 * noise_at(lattice, 30.0 * x, 30.0 * y)) * view[V_SUN]
        r, g, b, far = house[3] * plaster, house[4] * plaster, house[5] * plaster, 55.0
        across = (x - house[0]) / house[6]
        down = (y + house[2]) / house[7]
        u, v = across - np.floor(across), down - np.floor(down)
        if abs(u - 0.5) < 0.5 * house[8] and abs(v - 0.55) < 0.32:
            pane = 0.05 + 0.1 * max(0.0, noise_at(lattice, np.floor(across) + house[9], np.floor(down) * 1.7))
            r, g, b = pane * view[V_SUN], 1.1 * pane * view[V_SUN], 1.25 * pane * view[V_SUN]
            if view[V_SUN] < 0.2 and noise_at(lattice, np.floor(across) + 0.5, np.floor(down) + house[9] + 0.5) > 0.25:
                r, g, b = 0.5, 0.33, 0.14  # a lit room
        if y < -house[2] + 0.012:
            r, g, b = 0.5 * r, 0.42 * g, 0.4 * b
    return r, g, b, far


@inlined
def _grown(view: Floats, trees: Floats, lattice: Plane, x: float, y: float, behind: Seen) -> Seen:
    """The colour with trees and bushes."""
    r, g, b, far = behind
    for n in range(len(trees)):
        tree = trees[n]
        u, v = (x - tree[0]) / tree[2], (y - tree[1]) / tree[3]
        if abs(u) > 1.4 or v < -1.4:
            continue
        foot = view[V_EYE_M] / tree[8]
        inside = 1.0 - np.sqrt(u * u + v * v)
        if inside > -0.4:
            inside += 0.5 * cloud_at(lattice, 3.0 * u + tree[9], 3.0 * v)
        if inside > 0.0:
            cover = smooth(inside, 0.0, 0.16)
            clump = cloud_at(lattice, 3.1 * u + tree[9], 3.1 * v)
            leaf = noise_at(lattice, 17.0 * u + tree[9], 17.0 * v)
            tone = max(0.12, 0.75 + 0.65 * clump + 0.35 * leaf - 0.4 * v + 0.15 * u) * view[V_SUN]
            r += cover * (tree[4] * tone - r)
            g += cover * (tree[5] * tone - g)
            b += cover * (tree[6] * tone - b)
            if cover > 0.5:
                far = tree[8]
        elif abs(x - tree[0]) < 0.5 * tree[7] and tree[1] < y < foot:
            bark = (0.6 + 0.5 * (x - tree[0]) / tree[7]) * view[V_SUN]
            r, g, b, far = 0.1 * bark, 0.075 * bark, 0.055 * bark, tree[8]
    return r, g, b, far


@compiled
def enlarge(small: Plane, height: int, width: int) -> Plane:
    """A picture (h, w, 3) brought to another size by straight lines between pixels' centres; float32."""
    out = np.empty((height, width, 3), np.float32)
    _interpolate(small, out)
    return out


@kernel
def _interpolate(small: Plane, out: Plane) -> None:
    """`enlarge` into `out`."""
    low_height, low_width = small.shape[0], small.shape[1]
    height, width = out.shape[0], out.shape[1]
    for row in range(height):
        y = min(low_height - 1.0, max(0.0, (row + 0.5) * low_height / height - 0.5))
        top = int(y)
        below, down = min(low_height - 1, top + 1), np.float32(y - top)
        for column in range(width):
            x = min(low_width - 1.0, max(0.0, (column + 0.5) * low_width / width - 0.5))
            left = int(x)
            right, over = min(low_width - 1, left + 1), np.float32(x - left)
            for c in range(3):
                upper = small[top, left, c] + over * (small[top, right, c] - small[top, left, c])
                lower = small[below, left, c] + over * (small[below, right, c] - small[below, left, c])
                out[row, column, c] = upper + down * (lower - upper)


@inlined
def mark_distance(ink: Inked, mark: int, u: float, v: float) -> float:
    """How far (u, v) is outside a mark, negative inside."""
    kind, points, radius = ink.kinds[mark], ink.points, ink.radii[mark]
    first, last = ink.spans[mark, 0], ink.spans[mark, 1]
    nearest = 1e18
    inside = False
    count = last - first
    for place in range(count):
        ax, ay = points[first + place, 0], points[first + place, 1]
        if place + 1 < count:
            bx, by = points[first + place + 1, 0], points[first + place + 1, 1]
        elif kind == FILL or count == 1:
            bx, by = points[first, 0], points[first, 1]
        else:
            break
        ex, ey, px, py = bx - ax, by - ay, u - ax, v - ay
        square = ex * ex + ey * ey
        along = min(1.0, max(0.0, (px * ex + py * ey) / square)) if square > 0.0 else 0.0
        qx, qy = px - along * ex, py - along * ey
        nearest = min(nearest, qx * qx + qy * qy)
        if kind == FILL and (ay > v) != (by > v) and u < ax + ex * (v - ay) / (by - ay):
            inside = not inside
    away = np.sqrt(nearest)
    return float((-away if inside else away) - radius)


# Numbers of a sign's surface and light.
(
    S_FADE,  # 0 new .. 1 bleached
    S_DIRT,
    S_SEED,
    S_AMBIENT,  # light on the plate out of the sun
    S_SUN,  # what the sun adds
    S_SHADOW,  # 0 none, else the contrast of a shadow over it
    S_SHADOW_U,  # direction across a straight shadow's edge, and its place
    S_SHADOW_V,
    S_SHADOW_AT,
    S_LEAFY,  # 1: the shadow of leaves, 0: straight
    S_RETRO,  # what headlights send back
    S_SHEEN,  # sky mirrored in the plate
    S_CLEAR,  # share of its light that comes through the fog
    S_FOG_R,
    S_FOG_G,
    S_FOG_B,
    S_WARM,  # red over blue of the light, less 1
) = range(17)
SURFACE = 17


@kernel
def lay_sign(
    light: Plane,
    ids: NDArray[np.uint16],
    number: int,
    to_sign: Floats,
    window: NDArray[np.int64],
    ink: Inked,
    surface: Floats,
    lattice: Plane,
) -> int:
    """Draw a sign with smooth edges; the first mark is its plate.

    Args:
        light: float32 (height, width, 3), changed.
        ids: uint16 (height, width), becomes `number` where the plate covers a pixel's centre.
        to_sign: float64 (9,), the homography from pixels to the sign's frame, row by row.
        window: int64 (4,): left, top, right, bottom to look at, which may reach out of the picture.
        ink: the sign's marks.
        surface: float64 (SURFACE,).

    Returns:
        Pixels of the whole plate, in the picture or not.
    """
    height, width = ids.shape
    whole = 0
    for row in range(window[1], window[3]):
        for column in range(window[0], window[2]):
            x, y = column + 0.5, row + 0.5
            depth = to_sign[6] * x + to_sign[7] * y + to_sign[8]
            if depth <= 0.0:
                continue
            u = (to_sign[0] * x + to_sign[1] * y + to_sign[2]) / depth
            v = (to_sign[3] * x + to_sign[4] * y + to_sign[5]) / depth
            plate = mark_distance(ink, 0, u, v)
            whole += int(plate <= 0.0)
            if row < 0 or column < 0 or row >= height or column >= width:
                continue
            ux, uy = (to_sign[0] - u * to_sign[6]) / depth, (to_sign[1] - u * to_sign[7]) / depth
            vx, vy = (to_sign[3] - v * to_sign[6]) / depth, (to_sign[4] - v * to_sign[7]) / depth
            footprint = np.sqrt(0.5 * (ux * ux + uy * uy + vx * vx + vy * vy))  # of a pixel, in units of the sign
            cover = min(1.0, max(0.0, 0.5 - plate / footprint))
            if cover <= 0.0:
                continue
            if plate <= 0.0:
                ids[row, column] = number
            paint = _weathered(_paint(ink, u, v, footprint), u, v, surface, lattice)
            lit = _lit(u, v, surface, lattice)
            spot = light[row, column]
            for c in range(3):
                value = paint[c]
                warm = 1.0 + surface[S_WARM] * (0.5 - 0.5 * c)
                value = value * (lit * warm + surface[S_RETRO]) + surface[S_SHEEN]
                fog = surface[S_FOG_R + c]
                value = fog + surface[S_CLEAR] * (value - fog)
                spot[c] += np.float32(cover * (value - spot[c]))
    return whole


@inlined
def _paint(ink: Inked, u: float, v: float, footprint: float) -> tuple[float, float, float]:
    """Colour of a plate's print at (u, v): marks in their order, each covering what its share of the pixel is."""
    circles, colours = ink.circles, ink.colours
    r, g, b = colours[0, 0], colours[0, 1], colours[0, 2]
    for n in range(1, len(ink.kinds)):
        du, dv, far = u - circles[n, 0], v - circles[n, 1], circles[n, 2] + footprint
        if du * du + dv * dv > far * far:
            continue
        away = mark_distance(ink, n, u, v)
        share = min(1.0, max(0.0, 0.5 - away / footprint))
        r += share * (colours[n, 0] - r)
        g += share * (colours[n, 1] - g)
        b += share * (colours[n, 2] - b)
    return r, g, b


@inlined
def _weathered(
    paint: tuple[float, float, float], u: float, v: float, surface: Floats, lattice: Plane
) -> tuple[float, float, float]:
    """The colour after years in sun and spray."""
    r, g, b = paint
    seed = surface[S_SEED]
    bleach = surface[S_FADE] * (0.7 + 0.3 * cloud_at(lattice, 0.7 * u + seed, 0.7 * v))
    pale = 0.12 + 0.5 * (0.3 * r + 0.55 * g + 0.15 * b)
    r += 0.55 * bleach * (1.1 * pale - r)
    g += 0.55 * bleach * (pale - g)
    b += 0.55 * bleach * (0.95 * pale - b)
    film = 0.35 + 0.3 * v + 0.7 * cloud_at(lattice, 1.6 * u, 1.6 * v + seed)
    streak = noise_at(lattice, 9.0 * u + seed, 1.1 * v)
    grime = surface[S_DIRT] * min(1.0, max(0.0, film + 0.35 * streak))
    return r + grime * (0.11 - r), g + grime * (0.09 - g), b + grime * (0.065 - b)


@inlined
def _lit(u: float, v: float, surface: Floats, lattice: Plane) -> float:
    """Daylight at (u, v) of a plate."""
    shade = 0.0
    if surface[S_SHADOW] > 0.0:
        if surface[S_LEAFY] > 0.5:
            leaves = cloud_at(lattice, 2.1 * u + surface[S_SHADOW_U] * 20.0, 2.1 * v + surface[S_SHADOW_AT] * 9.0)
            shade = surface[S_SHADOW] * smooth(leaves, -0.12, 0.12)
        else:
            edge = surface[S_SHADOW_U] * u + surface[S_SHADOW_V] * v - surface[S_SHADOW_AT]
            shade = surface[S_SHADOW] * smooth(edge, -0.05, 0.05)
    return float(surface[S_AMBIENT] + surface[S_SUN] * (1.0 - shade))


@kernel
def lay_post(light: Plane, post: Floats, colour: Floats) -> None:
    """Draw a round post.

    Args:
        post: float64 (6,): x, y of its top and of its foot, half its width, all pixels; share of light through fog.
        colour: float64 (6,): its colour in this light, and the fog's.
    """
    height, width, _ = light.shape
    x0, y0, x1, y1, half, clear = post
    length = max(1e-6, np.sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)))
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    left, right = max(0, int(min(x0, x1) - half - 1)), min(width, int(max(x0, x1) + half) + 2)
    for row in range(max(0, int(y0)), min(height, int(y1) + 1)):
        for column in range(left, right):
            dx, dy = column + 0.5 - x0, row + 0.5 - y0
            across = dx * uy - dy * ux
            along = dx * ux + dy * uy
            cover = min(1.0, max(0.0, half + 0.5 - abs(across))) * (1.0 if 0.0 <= along <= length else 0.0)
            if cover <= 0.0:
                continue
            turn = across / max(0.5, half)
            shine = 0.55 + 0.45 * bell(turn - 0.3) - 0.25 * max(0.0, -turn)
            for c in range(3):
                value = colour[3 + c] + clear * (colour[c] * shine - colour[3 + c])
                light[row, column, c] += np.float32(cover * (value - light[row, column, c]))


@kernel
def lay_leaves(light: Plane, ids: NDArray[np.uint16], leaves: Floats) -> None:
    """Draw leaves before everything: float64 (N, 9): x, y, half length, half width, cosine, sine, red, green, blue."""
    height, width = ids.shape
    for n in range(len(leaves)):
        x, y, long, wide, c, s, r, g, b = leaves[n]
        for row in range(max(0, int(y - long - 1)), min(height, int(y + long) + 2)):
            for column in range(max(0, int(x - long - 1)), min(width, int(x + long) + 2)):
                dx, dy = column + 0.5 - x, row + 0.5 - y
                u, v = (c * dx + s * dy) / long, (c * dy - s * dx) / wide
                # Pointed at both ends: the half width falls as 1 - u^2.
                room = 1.0 - u * u - abs(v)
                cover = min(1.0, max(0.0, 0.5 + room * wide))
                if room < -1.0 or cover <= 0.0:
                    continue
                tone = 0.75 + 0.3 * v + (0.3 if abs(v) < 0.12 else 0.0)
                spot = light[row, column]
                spot[0] += np.float32(cover * (r * tone - spot[0]))
                spot[1] += np.float32(cover * (g * tone - spot[1]))
                spot[2] += np.float32(cover * (b * tone - spot[2]))
                if cover >= 0.5:
                    ids[row, column] = 0


@kernel
def lay_glow(light: Plane, glows: Floats) -> None:
    """Add the light that lens and eye scatter about bright things: float64 (N, 6): x, y, radius, red, green, blue."""
    height, width, _ = light.shape
    for n in range(len(glows)):
        x, y, radius = glows[n, 0], glows[n, 1], glows[n, 2]
        for row in range(max(0, int(y - radius)), min(height, int(y + radius) + 1)):
            for column in range(max(0, int(x - radius)), min(width, int(x + radius) + 1)):
                dx, dy = column + 0.5 - x, row + 0.5 - y
                near = bell(np.sqrt(dx * dx + dy * dy) / radius)
                for c in range(3):
                    light[row, column, c] += np.float32(near * near * glows[n, 3 + c])


@kernel
def lay_rain(light: Plane, streaks: Floats) -> None:
    """Draw falling drops: float64 (N, 5): x, y of the top, lean and length in pixels, strength 0..1."""
    height, width, _ = light.shape
    for n in range(len(streaks)):
        x, y, lean, length, strength = streaks[n]
        for row in range(max(0, int(y)), min(height, int(y + length))):
            part = (row - y) / length
            at = x + lean * part
            column = int(np.floor(at))
            for side in range(2):
                place = column + side
                if 0 <= place < width:
                    share = strength * bell(2.0 * part - 1.0) * (1.0 - abs(at - place))
                    for c in range(3):
                        light[row, place, c] += np.float32(share * (0.75 - light[row, place, c]))
