"""Elementary functions and rotations with the same bits on every processor.

Libraries round sine, exponential and their like differently from machine to machine. These are made of additions,
multiplications, divisions and square roots alone, which IEEE 754 defines to the last bit. They are good to about 1e-15
relative (`exact_pow` to 1e-13), and can be called from Python and from compiled code.
"""

from __future__ import annotations

import math

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.scene.model import Rotation, Vector

# Pi/2 in three parts of 33 bits: a whole number below 2^20 times a part is exact (Cody and Waite, 1980).
_HALF_PI_1 = 1.5707963267341256
_HALF_PI_2 = 6.0771005063039660e-11
_HALF_PI_3 = 2.0222662487959506e-21
_TWO_OVER_PI = 0.6366197723675814
_LN2_1 = 0.6931471803691238
_LN2_2 = 1.9082149292705877e-10
_PI = 3.141592653589793
_PI_6 = 0.5235987755982989
_ROOT_3 = 1.7320508075688772
_ROOT_HALF = 0.7071067811865476
_EXP_MAX = 709.0
_EXP_MIN = -745.0


@compiled
def _sine_series(r: float) -> float:
    """The sine of |r| <= pi/4 by its Taylor series, to x^17."""
    q = r * r
    tail = 1 / 6227020800 + q * (-1 / 1307674368000 + q * (1 / 355687428096000))
    tail = -1 / 5040 + q * (1 / 362880 + q * (-1 / 39916800 + q * tail))
    return r + r * q * (-1 / 6 + q * (1 / 120 + q * tail))


@compiled
def _cosine_series(r: float) -> float:
    """The cosine of |r| <= pi/4 by its Taylor series, to x^18."""
    q = r * r
    tail = -1 / 87178291200 + q * (1 / 20922789888000 + q * (-1 / 6402373705728000))
    tail = 1 / 40320 + q * (-1 / 3628800 + q * (1 / 479001600 + q * tail))
    return 1.0 - 0.5 * q + q * q * (1 / 24 + q * (-1 / 720 + q * tail))


@compiled
def exact_sin(x: float) -> float:
    """The sine of an angle in radians, |x| <= 1e6."""
    turns = math.floor(x * _TWO_OVER_PI + 0.5)
    r = ((x - turns * _HALF_PI_1) - turns * _HALF_PI_2) - turns * _HALF_PI_3
    quarter = int(turns) & 3
    if quarter == 0:
        return _sine_series(r)
    if quarter == 1:
        return _cosine_series(r)
    if quarter == 2:
        return -_sine_series(r)
    return -_cosine_series(r)


@compiled
def exact_cos(x: float) -> float:
    """The cosine of an angle in radians, |x| <= 1e6."""
    turns = math.floor(x * _TWO_OVER_PI + 0.5)
    r = ((x - turns * _HALF_PI_1) - turns * _HALF_PI_2) - turns * _HALF_PI_3
    quarter = int(turns) & 3
    if quarter == 0:
        return _cosine_series(r)
    if quarter == 1:
        return -_sine_series(r)
    if quarter == 2:
        return -_cosine_series(r)
    return _sine_series(r)


@compiled
def exact_tan(x: float) -> float:
    """The tangent of an angle in radians, |x| <= 1e6."""
    return exact_sin(x) / exact_cos(x)


@compiled
def _power_of_two(exponent: int) -> float:
    base = 2.0 if exponent >= 0 else 0.5
    left = abs(exponent)
    power = 1.0
    while left > 0:
        if left & 1:
            power *= base
        base *= base
        left >>= 1
    return power


@compiled
def exact_exp(x: float) -> float:
    """e to the x; infinity above 709, 0 below -745."""
    if x > _EXP_MAX:
        return math.inf
    if x < _EXP_MIN:
        return 0.0
    turns = math.floor(x * 1.4426950408889634 + 0.5)
    r = (x - turns * _LN2_1) - turns * _LN2_2
    tail = 1 / 3628800 + r * (1 / 39916800 + r * (1 / 479001600 + r * (1 / 6227020800)))
    tail = 1 / 720 + r * (1 / 5040 + r * (1 / 40320 + r * (1 / 362880 + r * tail)))
    series = 1.0 + r * (1.0 + r * (0.5 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * tail)))))
    return series * _power_of_two(int(turns))


@compiled
def exact_log(x: float) -> float:
    """The natural logarithm; -infinity at 0, NaN below."""
    if x <= 0.0:
        return -math.inf if x == 0.0 else math.nan
    if x == math.inf:
        return x
    fraction, exponent = math.frexp(x)
    if fraction < _ROOT_HALF:
        fraction *= 2.0
        exponent -= 1
    s = (fraction - 1.0) / (fraction + 1.0)
    q = s * s
    tail = 1 / 15 + q * (1 / 17 + q * (1 / 19 + q * (1 / 21 + q * (1 / 23))))
    tail = 1 / 7 + q * (1 / 9 + q * (1 / 11 + q * (1 / 13 + q * tail)))
    series = 2.0 * s + 2.0 * s * q * (1 / 3 + q * (1 / 5 + q * tail))
    return exponent * _LN2_1 + (series + exponent * _LN2_2)


@compiled
def exact_pow(x: float, y: float) -> float:
    """x >= 0 to the y, good to about 1e-16 times the size of y log x; 0 to the 0 is 1."""
    if y == 0.0:
        return 1.0
    if x == 0.0:
        return 0.0 if y > 0.0 else math.inf
    return exact_exp(y * exact_log(x))


@compiled
def _arctangent(t: float) -> float:
    """The arctangent of 0 <= t <= 1."""
    base = 0.0
    if t > 0.2679491924311227:  # the tangent of pi/12: turned back by pi/6, the rest is small
        t = (t * _ROOT_3 - 1.0) / (_ROOT_3 + t)
        base = _PI_6
    q = t * t
    tail = 1 / 21 + q * (-1 / 23 + q * (1 / 25 + q * (-1 / 27 + q * (1 / 29))))
    tail = 1 / 13 + q * (-1 / 15 + q * (1 / 17 + q * (-1 / 19 + q * tail)))
    tail = 1 / 5 + q * (-1 / 7 + q * (1 / 9 + q * (-1 / 11 + q * tail)))
    return base + (t + t * q * (-1 / 3 + q * tail))


@compiled
def exact_atan2(y: float, x: float) -> float:
    """The angle of the point (x, y), -pi..pi radians; 0 at the origin."""
    across, up = abs(x), abs(y)
    if across == 0.0 and up == 0.0:
        return 0.0
    angle = _arctangent(up / across) if up <= across else 0.5 * _PI - _arctangent(across / up)
    if x < 0.0:
        angle = _PI - angle
    return -angle if y < 0.0 else angle


@compiled
def exact_acos(x: float) -> float:
    """The angle whose cosine is x, 0..pi radians; x beyond -1..1 counts as the nearer of them."""
    x = min(1.0, max(-1.0, x))
    return exact_atan2(math.sqrt((1.0 - x) * (1.0 + x)), x)


def rotation_z(angle: float) -> Rotation:
    """A turn about the vertical by `angle` radians, counter-clockwise seen from above."""
    sine, cosine = exact_sin(angle), exact_cos(angle)
    return (cosine, -sine, 0.0, sine, cosine, 0.0, 0.0, 0.0, 1.0)


def rotation_about(axis: Vector, angle: float) -> Rotation:
    """A turn by `angle` radians about `axis`, of any length > 0 (Rodrigues). Raises BadScene."""
    x, y, z = _unit(axis, "an axis")
    s, c = exact_sin(angle), exact_cos(angle)
    k = 1.0 - c
    return (
        c + x * x * k,
        x * y * k - z * s,
        x * z * k + y * s,
        y * x * k + z * s,
        c + y * y * k,
        y * z * k - x * s,
        z * x * k - y * s,
        z * y * k + x * s,
        c + z * z * k,
    )


def composed(outer: Rotation, inner: Rotation) -> Rotation:
    """The turn that does `inner` first and `outer` after it."""
    a, b = outer, inner
    return (
        a[0] * b[0] + a[1] * b[3] + a[2] * b[6],
        a[0] * b[1] + a[1] * b[4] + a[2] * b[7],
        a[0] * b[2] + a[1] * b[5] + a[2] * b[8],
        a[3] * b[0] + a[4] * b[3] + a[5] * b[6],
        a[3] * b[1] + a[4] * b[4] + a[5] * b[7],
        a[3] * b[2] + a[4] * b[5] + a[5] * b[8],
        a[6] * b[0] + a[7] * b[3] + a[8] * b[6],
        a[6] * b[1] + a[7] * b[4] + a[8] * b[7],
        a[6] * b[2] + a[7] * b[5] + a[8] * b[8],
    )


def rotated(rotation: Rotation, vector: Vector) -> Vector:
    """`vector` turned by `rotation`."""
    r, (x, y, z) = rotation, vector
    return (
        r[0] * x + r[1] * y + r[2] * z,
        r[3] * x + r[4] * y + r[5] * z,
        r[6] * x + r[7] * y + r[8] * z,
    )


def transposed(rotation: Rotation) -> Rotation:
    """The turn back."""
    r = rotation
    return (r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8])


def look_at(position: Vector, target: Vector, up: Vector = (0.0, 0.0, 1.0)) -> Rotation:
    """The rotation of a camera at `position` that looks at `target`: its rows are the camera's x (right), y (down), z.

    Raises BadScene when both are one point. A camera that looks along `up` takes the world's y for what is up.
    """
    ahead = _unit((target[0] - position[0], target[1] - position[1], target[2] - position[2]), "a line of sight")
    right = _cross(ahead, up)
    if right[0] * right[0] + right[1] * right[1] + right[2] * right[2] < 1e-12:
        right = _cross(ahead, (0.0, 1.0, 0.0))
    right = _unit(right, "a camera's upright")
    down = _cross(ahead, right)
    return (*right, *down, *ahead)


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _unit(vector: Vector, what: str) -> Vector:
    x, y, z = vector
    length = math.sqrt(x * x + y * y + z * z)
    if not 1e-12 < length < 1e12:
        raise BadScene(f"{what} needs a direction, not {vector}")
    return (x / length, y / length, z / length)
