"""What a camera does to light before it is a picture: lens, sensor, film curve, sharpening, JPEG.

Owns every effect on finished linear light and the order they come in; knows no scene. Lens distortion is not here: it
moves labels too, so the renderer draws it. All of it is the same to the bit on every machine: plain arithmetic in float32
without reassociation, tables from `tables`, and noise from raw words of the generator.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.synthetic.compiled import compiled
from neuromation.synthetic.errors import BadScene
from neuromation.synthetic.render.jpeg import jpeg_artefacts
from neuromation.synthetic.render.tables import ENCODING_STEPS, QUANTILE_BITS, normal_quantiles, srgb_bytes
from neuromation.synthetic.scene.model import Camera

Light = NDArray[np.float32]
Picture = NDArray[np.uint8]

BLUR_MAX_PX = 32.0  # of any blur; more says nothing and costs much
MOTION_MIN_PX = 0.25  # less is nothing to see
MID_GREY = 0.18
_SHOULDER = 0.8  # how far down the curve begins to bend at contrast 1
_WHITE_SPANS = 4.0  # the light that is white lies so many spans of the shoulder above where the bend begins
_READ_SHARE = 0.25  # of the noise's variance at mid-grey that does not grow with light
_SRGB_SLOPE = 1.1955  # of the sRGB curve at mid-grey: turns noise in 255ths of white into noise of light
_DEMOSAICED_RMS = 0.7706  # of unit noise on a Bayer sensor after interpolation, the mean of its three colours
_WORD_PICKS = 5  # 12-bit draws out of a 64-bit word


def develop(linear: Light, camera: Camera, *, depth_m: Light | None, rng: Generator) -> Picture:
    """The picture that a camera takes of linear light.

    Args:
        linear: float32 (height, width, 3), light as it reaches the lens, 1 for a white matt surface in full light.
            Negative and NaN count as 0.
        camera: whose exposure, blur, noise and so on to apply. An effect at its zero costs nothing.
        depth_m: float32 (height, width), metres along the axis, 0 where there is nothing; for depth of field alone.
        rng: of the noise; nothing is drawn without noise.

    Returns:
        uint8 (height, width, 3), sRGB.

    Raises:
        BadScene: light or depth of another size than the camera's, or a blur over BLUR_MAX_PX.
    """
    shape = (camera.height, camera.width)
    if linear.shape != (*shape, 3) or (depth_m is not None and depth_m.shape != shape):
        raise BadScene(f"a camera of {camera.width} x {camera.height} pixels cannot develop light of {linear.shape}")
    light: Light = np.ascontiguousarray(linear, dtype=np.float32)
    light = _through_lens(light, camera, depth_m)
    picture = _exposed(light, camera, rng)
    if camera.sharpening > 0.0:
        picture = _sharpened(picture, round(256.0 * camera.sharpening))
    if camera.jpeg_quality > 0:
        picture = jpeg_artefacts(picture, camera.jpeg_quality)
    return picture


def _through_lens(light: Light, camera: Camera, depth_m: Light | None) -> Light:
    """The light after focus, movement and the lens's colour fringes."""
    motion_px = math.sqrt(camera.motion_px[0] * camera.motion_px[0] + camera.motion_px[1] * camera.motion_px[1])
    for name, size in (("blur_px", camera.blur_px), ("motion_px", motion_px), ("fringe_px", abs(camera.fringe_px))):
        if not 0.0 <= size <= BLUR_MAX_PX:
            raise BadScene(f"a camera's {name} is 0 to {BLUR_MAX_PX:g} pixels, not {size}")
    if camera.aperture_mm > 0.0 and depth_m is not None:
        radii = _confusion_px(camera, depth_m)
        if float(radii.max()) > 0.5:
            depth = np.ascontiguousarray(depth_m, dtype=np.float32)
            light = _spread_down(_spread_across(light, depth, radii), depth, radii)
    if camera.blur_px > 0.0:
        bell = bell_weights(camera.blur_px)
        reach = len(bell) // 2
        line = np.arange(-reach, reach + 1)
        light = _convolved(light, np.zeros_like(line), line, bell)
        light = _convolved(light, line, np.zeros_like(line), bell)
    if motion_px > MOTION_MIN_PX:
        light = _convolved(light, *streak_weights(camera.motion_px))
    if camera.fringe_px != 0.0:
        cx, cy = camera.centre
        light = _fringed(light, cx, cy, camera.fringe_px / _corner_px(camera))
    return light


def _corner_px(camera: Camera) -> float:
    """How far the farthest corner is from the principal point, pixels."""
    cx, cy = camera.centre
    x, y = max(cx, camera.width - cx), max(cy, camera.height - cy)
    return math.sqrt(x * x + y * y)


def bell_weights(radius_px: float) -> Light:
    """A bell of odd length with sum 1, which twice, across and down, blurs as much as a disc of `radius_px` > 0.

    A disc's variance along one axis is r^2 / 4. Narrow bells are three numbers with that variance; wider ones are samples
    of (1 - x^2)^3, whose variance is 1 / 9, and which no eye tells from a Gaussian.
    """
    variance = 0.25 * radius_px * radius_px
    if variance <= 0.5:
        bell = np.array([0.5 * variance, 1.0 - variance, 0.5 * variance])
    else:
        half_width = 1.5 * radius_px
        reach = math.ceil(half_width) - 1
        x = np.arange(-reach, reach + 1) / half_width
        rest = 1.0 - x * x
        bell = rest * rest * rest
        bell = bell / bell.sum()
    return bell.astype(np.float32)


def streak_weights(motion_px: tuple[float, float]) -> tuple[NDArray[np.int64], NDArray[np.int64], Light]:
    """Rows, columns and weights, sum 1, of a straight line of this extent through the middle of a pixel."""
    dx, dy = motion_px
    steps = 4 * (math.ceil(max(abs(dx), abs(dy))) + 1)
    along = (np.arange(steps) + 0.5) / steps - 0.5
    grid: dict[tuple[int, int], float] = {}
    for part in along.tolist():
        x, y = part * dx, part * dy
        left, top = math.floor(x), math.floor(y)
        for row, share_y in ((top, 1.0 - (y - top)), (top + 1, y - top)):
            for column, share_x in ((left, 1.0 - (x - left)), (left + 1, x - left)):
                grid[row, column] = grid.get((row, column), 0.0) + share_y * share_x / steps
    places = sorted(place for place, weight in grid.items() if weight > 0.0)
    rows, columns = np.array(places, dtype=np.int64).T
    return rows, columns, np.array([grid[place] for place in places], dtype=np.float32)


@compiled
def _convolved(light: Light, rows: NDArray[np.int64], columns: NDArray[np.int64], weights: Light) -> Light:
    """`light` (h, w, 3) convolved with a few weights at (rows, columns); the border goes on beyond itself."""
    height, width = light.shape[0], light.shape[1]
    reach = np.abs(columns).max()
    out = np.zeros((height, width * 3), np.float32)
    padded = np.empty((width + 2 * reach) * 3, np.float32)
    lowest, highest = rows.min(), rows.max()
    for source in range(lowest, height + highest):
        y = min(max(source, 0), height - 1)
        padded[reach * 3 : (reach + width) * 3] = light[y].reshape(-1)
        for beside in range(reach):
            padded[3 * beside : 3 * beside + 3] = light[y, 0]
            padded[3 * (reach + width + beside) : 3 * (reach + width + beside) + 3] = light[y, width - 1]
        for place in range(len(weights)):
            target = source - rows[place]
            if not 0 <= target < height:
                continue
            weight = weights[place]
            first = (reach + columns[place]) * 3
            line, values = out[target], padded[first : first + width * 3]
            for i in range(len(line)):
                line[i] += weight * values[i]
    return out.reshape(height, width, 3)


def _confusion_px(camera: Camera, depth_m: Light) -> Light:
    """Half the width over which a point at each pixel's depth is spread, as a lens's bell, pixels; at least 1.

    A thin lens draws a point at depth d as a disc of diameter aperture * focal * |1 / focus - 1 / d|. A bell
    (1 - x^2)^2 of half width w has variance w^2 / 7, a disc of radius r has r^2 / 4.
    """
    if not camera.focus_m > 0.0:
        raise BadScene(f"a camera focuses at more than 0 metres, not {camera.focus_m}")
    scale = 0.5 * 1.3228756 * 0.001 * camera.aperture_mm * camera.focal_px
    nearness = np.where(depth_m > 0.0, 1.0 / np.maximum(depth_m, np.float32(1e-3)), np.float32(0.0))
    spread = np.float32(scale) * np.abs(np.float32(1.0 / camera.focus_m) - nearness)
    radii: Light = np.clip(spread, np.float32(0.5), np.float32(BLUR_MAX_PX)).astype(np.float32)
    return radii


@compiled
def _share(
    distance: int, radius: np.float32, depth: np.float32, other_radius: np.float32, other_depth: np.float32
) -> np.float32:
    """How much of a pixel's light reaches one `distance` away: a far one does not spread over a sharp near one."""
    reach = (
        min(radius, other_radius)
        if other_depth > np.float32(0.0) and (depth <= np.float32(0.0) or depth > other_depth)
        else radius
    )
    part = np.float32(distance) / reach
    rest = np.float32(1.0) - part * part
    return rest * rest / reach if rest > np.float32(0.0) else np.float32(0.0)


@compiled
def _spread_across(light: Light, depth: Light, radii: Light) -> Light:
    """Every pixel's light spread along its row over its own radius, and evened out by what reached each place."""
    height, width = depth.shape
    out = np.empty_like(light)
    for y in range(height):
        total = np.zeros(width, np.float32)
        line = np.zeros((width, 3), np.float32)
        for x in range(width):
            radius, here = radii[y, x], depth[y, x]
            reach = int(np.ceil(radius)) - 1
            for other in range(max(x - reach, 0), min(x + reach, width - 1) + 1):
                share = _share(other - x, radius, here, radii[y, other], depth[y, other])
                total[other] += share
                for channel in range(3):
                    line[other, channel] += share * light[y, x, channel]
        for x in range(width):
            for channel in range(3):
                out[y, x, channel] = line[x, channel] / total[x]
    return out


@compiled
def _spread_down(light: Light, depth: Light, radii: Light) -> Light:
    """The same along the columns."""
    height, width = depth.shape
    total = np.zeros((height, width), np.float32)
    out = np.zeros_like(light)
    for y in range(height):
        for x in range(width):
            radius, here = radii[y, x], depth[y, x]
            reach = int(np.ceil(radius)) - 1
            for other in range(max(y - reach, 0), min(y + reach, height - 1) + 1):
                share = _share(other - y, radius, here, radii[other, x], depth[other, x])
                total[other, x] += share
                for channel in range(3):
                    out[other, x, channel] += share * light[y, x, channel]
    for y in range(height):
        for x in range(width):
            for channel in range(3):
                out[y, x, channel] /= total[y, x]
    return out


@compiled
def _fringed(light: Light, cx: float, cy: float, stretch: float) -> Light:
    """The light with red drawn larger and blue smaller about the principal point, as a simple lens does."""
    height, width = light.shape[0], light.shape[1]
    out = light.copy()
    for channel in (0, 2):
        scale = 1.0 - stretch if channel == 0 else 1.0 + stretch
        left = np.empty(width, np.int64)
        share = np.empty(width, np.float32)
        for x in range(width):
            at = min(max(cx + (x + 0.5 - cx) * scale - 0.5, 0.0), width - 1.0)
            left[x] = min(int(at), max(width - 2, 0))
            share[x] = np.float32(at - left[x])
        for y in range(height):
            at = min(max(cy + (y + 0.5 - cy) * scale - 0.5, 0.0), height - 1.0)
            top = min(int(at), max(height - 2, 0))
            bottom = min(top + 1, height - 1)
            down = np.float32(at - top)
            for x in range(width):
                x0 = left[x]
                x1 = min(x0 + 1, width - 1)
                upper = light[top, x0, channel] + share[x] * (light[top, x1, channel] - light[top, x0, channel])
                lower = light[bottom, x0, channel] + share[x] * (
                    light[bottom, x1, channel] - light[bottom, x0, channel]
                )
                out[y, x, channel] = upper + down * (lower - upper)
    return out


def _exposed(light: Light, camera: Camera, rng: Generator) -> Picture:
    """The sensor's picture: vignette, exposure, white balance, noise, the film curve and sRGB, in one pass."""
    gains = np.array([camera.exposure * factor for factor in camera.white_balance], dtype=np.float32)
    cx, cy = camera.centre
    corner_px = _corner_px(camera)
    words = np.zeros(0, np.uint64)
    shot = read = 0.0
    if camera.noise > 0.0:
        sites = (camera.height + 2) * (camera.width + 2)
        words = rng.bit_generator.random_raw(-(-sites // _WORD_PICKS))
        deviation = camera.noise / (255.0 * _SRGB_SLOPE * _DEMOSAICED_RMS)
        variance = deviation * deviation
        shot, read = (1.0 - _READ_SHARE) * variance / MID_GREY, _READ_SHARE * variance
    noise = _bayer_noise(words, normal_quantiles(), camera.height, camera.width)
    sensor = (cx, cy, camera.vignette / (corner_px * corner_px), 1.0 - _SHOULDER * camera.contrast, shot, read)
    return _encoded(light, gains, np.array(sensor, dtype=np.float32), noise, srgb_bytes())


@compiled
def _bayer_noise(words: NDArray[np.uint64], quantiles: Light, height: int, width: int) -> Light:
    """Unit noise of a sensor's sites, float32 (height + 2, width + 2), a border of one all around; empty for no words."""
    if len(words) == 0:
        return np.zeros((0, 0), np.float32)
    flat = np.empty((height + 2) * (width + 2), np.float32)
    mask = np.uint64((1 << QUANTILE_BITS) - 1)
    place = 0
    for word in words:
        rest = word
        for _ in range(_WORD_PICKS):
            if place < len(flat):
                flat[place] = quantiles[np.int64(rest & mask)]
            rest >>= np.uint64(QUANTILE_BITS)
            place += 1
    return flat.reshape(height + 2, width + 2)


@compiled
def _demosaiced(noise: Light, y: int, x: int) -> tuple[float, float, float]:
    """Noise of red, green and blue at a pixel: a Bayer sensor measures one, its neighbours' mean gives the others."""
    here = noise[y + 1, x + 1]
    beside = np.float32(0.5) * (noise[y + 1, x] + noise[y + 1, x + 2])
    above = np.float32(0.5) * (noise[y, x + 1] + noise[y + 2, x + 1])
    if (y + x) & 1:  # a green site: red beside and blue above in even rows, the other way round in odd ones
        return (beside, here, above) if y & 1 == 0 else (above, here, beside)
    cross = np.float32(0.5) * (beside + above)
    corners = np.float32(0.25) * (noise[y, x] + noise[y, x + 2] + noise[y + 2, x] + noise[y + 2, x + 2])
    return (here, cross, corners) if y & 1 == 0 else (corners, cross, here)


@compiled
def _encoded(light: Light, gains: Light, sensor: Light, noise: Light, table: Picture) -> Picture:
    height, width = light.shape[0], light.shape[1]
    cx, cy, darkening, knee, shot, read = sensor
    out = np.empty((height, width, 3), np.uint8)
    one, half = np.float32(1.0), np.float32(0.5)
    span = one - knee
    flattening = np.float32(1.0 / (_WHITE_SPANS * _WHITE_SPANS))
    white = knee + span * np.float32(_WHITE_SPANS)
    steps = np.float32(ENCODING_STEPS)
    is_noisy = noise.size > 0
    for y in range(height):
        down = np.float32(y) + half - cy
        for x in range(width):
            across = np.float32(x) + half - cx
            fall = one - darkening * (across * across + down * down)
            grain = _demosaiced(noise, y, x) if is_noisy else (np.float32(0.0), np.float32(0.0), np.float32(0.0))
            for channel in range(3):
                value = light[y, x, channel] * (gains[channel] * fall)
                if not value > np.float32(0.0):
                    value = np.float32(0.0)
                if is_noisy:
                    value += np.sqrt(shot * min(value, white) + read) * grain[channel]
                    value = max(value, np.float32(0.0))
                if value > knee:
                    if value >= white:
                        value = one
                    else:
                        # Reinhard et al., "Photographic tone reproduction" (2002), equation 4, from the knee upwards.
                        over = (value - knee) / span
                        value = knee + span * over * (one + over * flattening) / (one + over)
                out[y, x, channel] = table[int(min(value, one) * steps + half)]
    return out


@compiled
def _sharpened(picture: Picture, amount: int) -> Picture:
    """The picture with its brightness' small detail drawn `amount` / 256 times over, halos included, as cameras do."""
    height, width = picture.shape[0], picture.shape[1]
    grey = np.empty((height, width), np.int32)
    for y in range(height):
        for x in range(width):
            r, g, b = np.int32(picture[y, x, 0]), np.int32(picture[y, x, 1]), np.int32(picture[y, x, 2])
            grey[y, x] = 77 * r + 150 * g + 29 * b
    out = np.empty_like(picture)
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            blurred = (
                grey[above, left] + 2 * grey[above, x] + grey[above, right]
                + 2 * grey[y, left] + 4 * grey[y, x] + 2 * grey[y, right]
                + grey[below, left] + 2 * grey[below, x] + grey[below, right]
            )  # fmt: skip
            detail = (np.int64(16 * grey[y, x] - blurred) * amount + (1 << 19)) >> 20
            for channel in range(3):
                out[y, x, channel] = min(max(picture[y, x, channel] + detail, 0), 255)
    return out
