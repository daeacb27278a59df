"""How training samples are changed at random, as named knobs; refuses to know what they show and how they are read.

Everything is drawn from the generator that is given, so that a step of a training is a function of its seed. All that
moves pixels is one affine map, so that boxes and masks move with the picture and it is resampled once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from neuromation.learning.errors import BadRecipe

SHIFT_SHARE = 0.1  # of the symbols move by a pixel, in each direction of the grid
GAIN = 0.2  # strokes up to this share paler or darker
NOISE = 0.05  # standard deviation, as a share of the brightest value

ASPECT_MAX = 4 / 3  # a random crop is up to so much wider or higher than the picture
ZOOM_MIN, ZOOM_MAX = 0.1, 10.0
ERASE_SHARE = 0.5  # of the samples lose a part when `erase` is set
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601: the grey of a colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Augment:
    """What happens to each training sample; 0 or False, and a zoom of (1, 1), change nothing.

    Pictures:
        flip_x, flip_y: mirror every second picture from left to right, or upside down.
        turn: turn by a random number of quarter turns.
        crop_min: show a random part of the picture, of at least this share of its area (0: all of it).
        zoom: (low, high) factors of size, drawn evenly by ratio.
        shift: move by up to this share of the input's width and height.
        rotate_deg: turn by up to so many degrees either way.
        brightness, contrast, colour: change each by up to this share; `colour` is saturation and white balance.
        grey: share of the pictures that lose their colours.
        blur: up to this many pixels of the network's input (sigma of a Gaussian).
        noise: up to this standard deviation as a share of the brightest value (of sounds: of their loudness).
        erase: cover a rectangle of up to this share of the area with one colour, in every second picture.
        mixup: blend pairs of samples and their classes; the blend is drawn from Beta(mixup, mixup) (Zhang et al. 2018).

    Sounds: `noise` and `mixup` as above, and
        shift_s: move by up to so many seconds either way.
        gain_db: louder or softer by up to so many decibels.
        mask_time, mask_frequency: silence a span of up to this share of the time, or a band of up to this share of the
            spectrum (after Park et al., "SpecAugment", 2019).

    Small symbols on an even ground, one channel:
        symbols: nudge some by a pixel, make strokes paler or darker, add a little noise (`augment`).

    Raises:
        BadRecipe: a knob is out of its range.
    """

    flip_x: bool = False
    flip_y: bool = False
    turn: bool = False
    crop_min: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    rotate_deg: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    shift_s: float = 0.0
    gain_db: float = 0.0
    mask_time: float = 0.0
    mask_frequency: float = 0.0
    symbols: bool = False

    def __post_init__(self) -> None:
        for knob in fields(self):
            value, most = getattr(self, knob.name), _MOST.get(knob.name, 1.0)
            if knob.name != "zoom" and not 0 <= value <= most:  # also when it is not a number
                raise BadRecipe(f"augmentation {knob.name!r} must be 0..{most:g}, not {value}")
        low, high = self.zoom
        if not ZOOM_MIN <= low <= high <= ZOOM_MAX:
            raise BadRecipe(f"a zoom goes from low to high within {ZOOM_MIN:g}..{ZOOM_MAX:g}, not {low} to {high}")

    @property
    def one_by_one(self) -> bool:
        """Whether anything changes in single samples, before they meet in a batch."""
        return replace(self, mixup=0.0, symbols=False) != Augment()

    @property
    def moves(self) -> bool:
        """Whether pixels of pictures change places."""
        flipped = self.flip_x or self.flip_y or self.turn
        return flipped or 0 < self.crop_min < 1 or self.zoom != (1.0, 1.0) or self.shift > 0 or self.rotate_deg > 0


_MOST = {"rotate_deg": 180.0, "blur": 50.0, "mixup": 10.0, "shift_s": 600.0, "gain_db": 60.0, "zoom": ZOOM_MAX}

# What suits most pictures of things, and most sounds, when nobody has chosen.
GENTLE = Augment(zoom=(0.85, 1.15), shift=0.08, rotate_deg=5, brightness=0.2, contrast=0.2, colour=0.15, noise=0.02)
SYMBOLS = Augment(symbols=True)
GENTLE_SOUND = Augment(shift_s=0.1, gain_db=6, noise=0.05, mask_time=0.1, mask_frequency=0.1)


def augment(images: NDArray[Any], *, value_max: float, rng: Generator) -> NDArray[np.float32]:
    """Shift, scale and disturb small symbols: a whole batch at once.

    Args:
        images: raw values 0..value_max, (B, H, W).
        value_max: the brightest value.
        rng: source of all randomness.

    Returns:
        New float32 pictures of the same shape, values 0..value_max.
    """
    count, height, width = images.shape
    moved = _shift(images.astype(np.float32), rng)
    gain = 1.0 + GAIN * (2.0 * rng.random((count, 1, 1), np.float32) - 1.0)
    noise = NOISE * value_max * rng.standard_normal((count, height, width), np.float32)
    disturbed: NDArray[np.float32] = np.clip(moved * gain + noise, 0.0, value_max, dtype=np.float32)
    return disturbed


def _shift(images: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    count, height, width = images.shape
    step = np.where(rng.random((2, count)) < SHIFT_SHARE, rng.integers(0, 2, (2, count)) * 2 - 1, 0)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    rows = np.arange(height)[None, :, None] + 1 + step[0][:, None, None]
    columns = np.arange(width)[None, None, :] + 1 + step[1][:, None, None]
    moved: NDArray[np.float32] = padded[np.arange(count)[:, None, None], rows, columns]
    return moved


def placed_at_random(
    knobs: Augment, *, size: tuple[int, int], into: tuple[int, int], rng: Generator
) -> NDArray[np.float64]:
    """The affine map (3, 3) from a picture of `size` (height, width) to an input of size `into`, both in pixels.

    The part that is shown fits the input as a whole, as without augmentation; then it is zoomed, rotated and shifted
    about the input's centre.
    """
    height, width = size
    wide, high, left, top = _cropped(knobs, width, height, rng)
    turns = int(rng.integers(0, 4)) if knobs.turn else 0
    mirror_x = -1.0 if knobs.flip_x and rng.random() < 0.5 else 1.0
    mirror_y = -1.0 if knobs.flip_y and rng.random() < 0.5 else 1.0
    scale = min(into[0] / (wide if turns % 2 else high), into[1] / (high if turns % 2 else wide))
    low, far = knobs.zoom
    if low != far:
        scale *= math.exp(rng.uniform(math.log(low), math.log(far)))
    else:
        scale *= low
    angle = turns * math.pi / 2 + math.radians(rng.uniform(-1, 1) * knobs.rotate_deg)
    shift_x, shift_y = rng.uniform(-1, 1, 2) * knobs.shift * (into[1], into[0])
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[cos * mirror_x, -sin * mirror_y], [sin * mirror_x, cos * mirror_y]])
    centre = np.array([left + wide / 2, top + high / 2])
    found = np.eye(3)
    found[:2, :2] = linear
    found[:2, 2] = np.array([into[1] / 2 + shift_x, into[0] / 2 + shift_y]) - linear @ centre
    return found


def _cropped(knobs: Augment, width: int, height: int, rng: Generator) -> tuple[float, float, float, float]:
    """Width, height, left and top of the part that is shown."""
    if not 0 < knobs.crop_min < 1:
        return width, height, 0.0, 0.0
    share = rng.uniform(knobs.crop_min, 1.0)
    aspect = math.exp(rng.uniform(-1, 1) * math.log(ASPECT_MAX) * min(1.0, 2 * (1 - share)))  # a whole one has its own
    # Where one side is as long as the picture's, the other grows, so that the share holds.
    wide, high = min(1.0, math.sqrt(share * aspect)), min(1.0, math.sqrt(share / aspect))
    wide, high = min(1.0, share / high), min(1.0, share / wide)
    left, top = rng.random(2)
    return wide * width, high * height, left * (1 - wide) * width, top * (1 - high) * height


def recoloured(
    picture: NDArray[np.float32], knobs: Augment, *, value_max: float, rng: Generator
) -> NDArray[np.float32]:
    """A picture (H, W, channels) of values 0..value_max with other light, colours, blur, noise, and a part covered."""
    channels = picture.shape[2]
    if knobs.brightness or knobs.contrast or knobs.colour or knobs.grey:
        matrix, added = _light(knobs, channels, float(picture.mean()), rng)
        picture = picture @ matrix + added
    if knobs.blur:
        picture = _blurred(picture, rng.uniform(0, knobs.blur))
    if knobs.noise:
        spread = np.float32(rng.uniform(0, knobs.noise) * value_max)
        picture = picture + spread * rng.standard_normal(picture.shape, np.float32)
    if knobs.erase and rng.random() < ERASE_SHARE:
        picture = _erased(picture, knobs.erase, value_max, rng)
    changed: NDArray[np.float32] = np.clip(picture, 0.0, value_max, dtype=np.float32)
    return changed


def _light(
    knobs: Augment, channels: int, mean: float, rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Brightness, contrast, saturation and white balance as one matrix (channels, channels) and a vector added."""
    bright, contrast, saturation = 1 + np.array([knobs.brightness, knobs.contrast, knobs.colour]) * rng.uniform(
        -1, 1, 3
    )
    balance = 1 + knobs.colour / 2 * rng.uniform(-1, 1, channels)
    if rng.random() < knobs.grey:
        saturation = 0.0
    colours = np.eye(channels)
    if channels == 3:
        colours = saturation * colours + (1 - saturation) * np.outer(LUMA, np.ones(3))
        colours = colours * (balance if saturation else 1.0)
    added = np.full(channels, bright * (1 - contrast) * mean, np.float32)
    return (bright * contrast * colours).astype(np.float32), added


def _blurred(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    from PIL import Image, ImageFilter

    soft = ImageFilter.GaussianBlur(sigma)
    planes = [np.asarray(_plane(Image, picture[..., c]).filter(soft), np.float32) for c in range(picture.shape[2])]
    return np.stack(planes, axis=2)


def _plane(image: Any, values: NDArray[np.float32]) -> Any:
    # Pillow blurs bytes only; a quarter of a grey level is lost, far below what the blur takes away.
    return image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _erased(picture: NDArray[np.float32], share: float, value_max: float, rng: Generator) -> NDArray[np.float32]:
    height, width, channels = picture.shape
    area, aspect = rng.uniform(0.02, 1.0) * share, math.exp(rng.uniform(-1, 1))
    high, wide = (max(1, int(min(1.0, math.sqrt(area * a)) * n)) for a, n in ((aspect, height), (1 / aspect, width)))
    top, left = int(rng.integers(0, height - high + 1)), int(rng.integers(0, width - wide + 1))
    covered = picture.copy()
    covered[top : top + high, left : left + wide] = rng.random(channels, np.float32) * np.float32(value_max)
    return covered


def disturbed_sound(sound: NDArray[np.float32], knobs: Augment, *, rng: Generator) -> NDArray[np.float32]:
    """A sound (T,) in -1..1, louder or softer, under noise, with a span and a band silenced."""
    if knobs.mask_frequency:
        spectrum = np.fft.rfft(sound)
        spectrum[_span(len(spectrum), knobs.mask_frequency, rng)] = 0
        sound = np.fft.irfft(spectrum, len(sound)).astype(np.float32)
    if knobs.mask_time:
        sound = sound.copy()
        sound[_span(len(sound), knobs.mask_time, rng)] = 0
    if knobs.noise:
        loudness = math.sqrt(float(np.mean(np.square(sound)))) + 1e-6
        spread = np.float32(loudness * rng.uniform(0, knobs.noise))
        sound = sound + spread * rng.standard_normal(len(sound), np.float32)
    if knobs.gain_db:
        sound = sound * np.float32(10 ** (rng.uniform(-1, 1) * knobs.gain_db / 20))
    changed: NDArray[np.float32] = np.clip(sound, -1.0, 1.0, dtype=np.float32)
    return changed


def _span(count: int, share: float, rng: Generator) -> slice:
    wide = int(rng.uniform(0, share) * count)
    first = int(rng.integers(0, count - wide + 1))
    return slice(first, first + wide)
