"""The loops of a fall: how far down a body can go, which tilt or slide lowers it, what it leaves on the map of heights.

Compiled, exact; knows arrays alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.exact import exact_cos, exact_sin

Floats = NDArray[np.float64]

_OUT = 1e9  # the height of what is outside of the walls
_DIRECTIONS = 5  # of tilts and slides in one search
_GAIN_LEAST = 2e-7  # metres; less is no progress
_TURNS_MAX = 24
_FRICTION = 0.35  # how much lower a slide must lead, for each metre
_SCALES = 8
_SCALES_COARSE = 3  # of these feel with the first points alone
_COARSE = 250


@compiled
def _height(points: Floats, heights: Floats, frame: Floats, r: Floats, x: float, y: float, limit: float) -> float:
    """How high the centre of a body in posture r (9,) over (x, y) is when it touches; `_OUT` when it meets a wall.

    `frame`: half the width and depth of the map, and the side of a cell. Above `limit` any height may be returned.
    """
    rows, columns = heights.shape
    half_x, half_y, inverse = frame[0], frame[1], 1.0 / frame[2]
    top: float = -_OUT
    for k in range(len(points)):
        px, py, pz = points[k, 0], points[k, 1], points[k, 2]
        u = x + r[0] * px + r[1] * py + r[2] * pz
        v = y + r[3] * px + r[4] * py + r[5] * pz
        if not (-half_x <= u <= half_x and -half_y <= v <= half_y):
            return _OUT
        row, column = min(int((v + half_y) * inverse), rows - 1), min(int((u + half_x) * inverse), columns - 1)
        top = max(top, heights[row, column] - (r[6] * px + r[7] * py + r[8] * pz))
        if top > limit:
            break
    return float(top)


@compiled
def _contacts(points: Floats, heights: Floats, frame: Floats, state: Floats, near: float, found: Floats) -> int:
    """Where a body touches, within `near`: relative to its centre, into `found` (n, 3); returns how many."""
    r, x, y, z = state[3:12], state[0], state[1], state[2]
    count = 0
    inverse = 1.0 / frame[2]
    for k in range(len(points)):
        px, py, pz = points[k, 0], points[k, 1], points[k, 2]
        qx, qy = r[0] * px + r[1] * py + r[2] * pz, r[3] * px + r[4] * py + r[5] * pz
        qz = r[6] * px + r[7] * py + r[8] * pz
        column = min(int((x + qx + frame[0]) * inverse), heights.shape[1] - 1)
        row = min(int((y + qy + frame[1]) * inverse), heights.shape[0] - 1)
        if z + qz - heights[row, column] <= near:
            place = count if count < len(found) else (count * 7919) % len(found)
            found[place, 0], found[place, 1], found[place, 2] = qx, qy, qz
            count += 1
    return min(count, len(found))


@compiled
def _overhang(found: Floats, count: int, out: Floats) -> bool:
    """Whether the centre is beside all that carries it; `out` (5,): which way it falls (unit), how far, how high it is,
    and how far the carrying edge is."""
    # Beside it, where one contact has all others on one side of the line through the centre.
    outside = count < 3
    for i in range(count):
        left = right = True
        for j in range(count):
            turn = found[i, 0] * found[j, 1] - found[i, 1] * found[j, 0]
            ahead = found[i, 0] * found[j, 0] + found[i, 1] * found[j, 1]
            if turn > 1e-12 or (turn >= -1e-12 and ahead < 0.0):
                left = False
            if turn < -1e-12 or (turn <= 1e-12 and ahead < 0.0):
                right = False
        if left or right:
            outside = True
            break
    if not outside:
        return False
    best, bx, by, bz = 1e18, 0.0, 0.0, 0.0
    for i in range(count):
        for j in range(i, count):
            ex, ey = found[j, 0] - found[i, 0], found[j, 1] - found[i, 1]
            square = ex * ex + ey * ey
            t = 0.0
            if square > 0.0:
                t = min(max(-(found[i, 0] * ex + found[i, 1] * ey) / square, 0.0), 1.0)
            cx, cy = found[i, 0] + t * ex, found[i, 1] + t * ey
            away = cx * cx + cy * cy
            if away < best:
                best, bx, by, bz = away, cx, cy, found[i, 2] + t * (found[j, 2] - found[i, 2])
    far = np.sqrt(best)
    if far < 1e-9:
        return False
    out[0], out[1], out[2], out[3] = -bx / far, -by / far, far, -bz
    return True


@compiled
def _tilted(r: Floats, ax: float, ay: float, angle: float, out: Floats) -> None:
    """The posture turned by an angle about the horizontal axis (ax, ay), by Rodrigues' formula."""
    s, c = exact_sin(angle), exact_cos(angle)
    t = 1.0 - c
    m00, m01, m02 = c + t * ax * ax, t * ax * ay, s * ay
    m10, m11, m12 = t * ax * ay, c + t * ay * ay, -s * ax
    m20, m21, m22 = -s * ay, s * ax, c
    for k in range(3):
        out[k] = m00 * r[k] + m01 * r[3 + k] + m02 * r[6 + k]
        out[3 + k] = m10 * r[k] + m11 * r[3 + k] + m12 * r[6 + k]
        out[6 + k] = m20 * r[k] + m21 * r[3 + k] + m22 * r[6 + k]


@compiled
def _tip(
    points: Floats, heights: Floats, frame: Floats, state: Floats, angle: float, near: float, work: Floats
) -> bool:
    """Tip a body over the edge that carries it, if its centre is beside that: True when it came lower."""
    r, x, y, z = state[3:12], state[0], state[1], state[2]
    if z > 0.5 * _OUT:
        return False
    fall = np.empty(5)
    count = _contacts(points, heights, frame, state, near, work)
    if count == 0 or not _overhang(work, count, fall):
        return False
    trial = np.empty(9)
    _tilted(r, -fall[1], fall[0], angle, trial)
    # About the edge: the centre swings out and down.
    step = fall[2] * (exact_cos(angle) - 1.0) + fall[3] * exact_sin(angle)
    for share in (1.0, 0.0):
        nx, ny = x + fall[0] * step * share, y + fall[1] * step * share
        high = _height(points, heights, frame, trial, nx, ny, z)
        if high < z - _GAIN_LEAST:
            state[0], state[1], state[2] = nx, ny, high
            state[3:12] = trial
            return True
    return False


@compiled
def _search(
    points: Floats, heights: Floats, frame: Floats, state: Floats, angle: float, slide: float, shift: float
) -> bool:
    """Take the best of tilts, rolls and slides in several directions: True when it came lower."""
    r, x, y, z = state[3:12].copy(), state[0], state[1], state[2]
    best, trial, better = z - _GAIN_LEAST, np.empty(9), False
    reach = slide / 0.35 * 0.5 / angle if angle > 0.0 else slide  # slides and tilts shrink together
    for k in range(_DIRECTIONS):
        a = 6.283185307179586 * (k + shift) / _DIRECTIONS
        ca, sa = exact_cos(a), exact_sin(a)
        _tilted(r, ca, sa, angle, trial)
        for roll in range(2):
            step = angle * reach * roll
            nx, ny = x + sa * step, y - ca * step
            high = _height(points, heights, frame, trial, nx, ny, best)
            if high < best:
                best, better = high, True
                state[0], state[1], state[2] = nx, ny, high
                state[3:12] = trial
        nx, ny = x + ca * slide, y + sa * slide
        high = _height(points, heights, frame, r, nx, ny, best)
        if high + _FRICTION * slide < best:
            best, better = high + _FRICTION * slide, True
            state[0], state[1], state[2] = nx, ny, high
            state[3:12] = r
    return better


@compiled
def settled(points: Floats, heights: Floats, frame: Floats, start: Floats, x: float, y: float, reach: float) -> Floats:
    """Where and how a body rests: (12,): centre x, y, z, and rotation row by row; z is 1e9 where there is no place.

    It tips over what carries it as long as that lowers its centre; where that does not help, a pattern search (Hooke
    and Jeeves, 1961) over tilts, rolls and slides goes on, from coarse to fine.
    """
    state = np.empty(12)
    state[0], state[1] = x, y
    state[3:12] = start.reshape(9)
    coarse = points[: min(len(points), _COARSE)]
    felt = coarse
    state[2] = _height(felt, heights, frame, state[3:12], x, y, _OUT)
    near = min(0.0004, 0.012 * reach)
    work = np.empty((24, 3))
    angle, slide = 0.5, 0.35 * reach
    for scale in range(_SCALES):
        if scale == _SCALES_COARSE:
            felt = points
            state[2] = _height(felt, heights, frame, state[3:12], state[0], state[1], _OUT)
        fails = turn = 0
        while fails < 2 and turn < _TURNS_MAX:
            turn += 1
            if _tip(felt, heights, frame, state, angle, near, work):
                continue
            if _search(felt, heights, frame, state, angle, slide, 0.38 * turn):
                fails = 0
            else:
                fails += 1
        angle *= 0.4
        slide *= 0.4
        if scale >= _SCALES_COARSE and angle * reach < 0.0001:
            break
    return state


@compiled
def _raise(heights: Floats, u: float, v: float, z: float) -> None:
    """Raise the cells within half a cell around a point."""
    rows, columns = heights.shape
    for j in range(2):
        for i in range(2):
            row, column = int(np.floor(v - 0.5 + j)), int(np.floor(u - 0.5 + i))
            if 0 <= row < rows and 0 <= column < columns and heights[row, column] < z:
                heights[row, column] = z


@compiled
def splat(heights: Floats, corners: Floats, frame: Floats, fine: float) -> None:
    """Write triangles (F, 3, 3) into a map of heights, sampled so finely that no cell is missed."""
    half_x, half_y, inverse = frame[0], frame[1], 1.0 / frame[2]
    for f in range(len(corners)):
        a, b, c = corners[f, 0], corners[f, 1], corners[f, 2]
        longest = 0.0
        for p, q in ((a, b), (b, c), (c, a)):
            dx, dy = q[0] - p[0], q[1] - p[1]
            longest = max(longest, dx * dx + dy * dy)
        steps = int(np.sqrt(longest) * inverse / fine) + 1
        for i in range(steps + 1):
            for j in range(steps + 1 - i):
                s, t = i / steps, j / steps
                x = a[0] + s * (b[0] - a[0]) + t * (c[0] - a[0])
                y = a[1] + s * (b[1] - a[1]) + t * (c[1] - a[1])
                z = a[2] + s * (b[2] - a[2]) + t * (c[2] - a[2])
                _raise(heights, (x + half_x) * inverse, (y + half_y) * inverse, z)


@compiled
def lower_of(points: Floats, heights: Floats, frame: Floats) -> float:
    """The least height of points above a map."""
    rows, columns = heights.shape
    least = _OUT
    for k in range(len(points)):
        column, row = (
            int(np.floor((points[k, 0] + frame[0]) / frame[2])),
            int(np.floor((points[k, 1] + frame[1]) / frame[2])),
        )
        if 0 <= row < rows and 0 <= column < columns:
            least = min(least, points[k, 2] - heights[row, column])
    return least
