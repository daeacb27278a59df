"""Pictures of single samples with the truth and the answer drawn in; owns how errors look, refuses to judge them.

Green is the truth, red the answer; thick lines and a label stand where one lacks the other. Sounds are shown as
spectrograms.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from neuromation.learning.problem import IGNORED, Answer, Boxes, Problem, Samples

SIDE_PX = 400  # longest side of a picture on the page
CROWD_PX = 640  # the same with boxes, which need room
SMALL_PX = 160  # smaller ones are enlarged, pixel by pixel, to about this
TRUTH, SAID = (0, 168, 107), (214, 40, 57)
_JPEG_QUALITY = 82
_WINDOW, _HOP = 256, 64  # of a spectrogram, samples
_FLOOR_DB = 70.0
_TEXT_PX = 13
_IOU_MIN = 0.5
_COLOURS = np.array(
    [[40, 48, 56], [10, 108, 103], [154, 91, 5], [47, 98, 168], [117, 71, 160], [166, 58, 88], [85, 112, 47], [200, 170, 60]],
    np.uint8,
)  # fmt: skip


def error_picture(samples: Samples, place: int, answer: Answer, *, score_min: float) -> str:
    """A data URI of one sample with its truth and its answer.

    Args:
        place: of the sample; answer: to it, in its own pixels.
        score_min: boxes below this score are not drawn.
    """
    made, target = samples.inputs[place], samples.targets[place]
    if samples.problem is Problem.AUDIO_CLASSIFICATION:
        return _uri(Image.fromarray(spectrogram(made)).resize((SIDE_PX, SIDE_PX // 2), Image.Resampling.BILINEAR))
    picture = _shown(made, CROWD_PX if isinstance(answer, Boxes) else SIDE_PX)
    if isinstance(answer, Boxes):
        truth = target if isinstance(target, Boxes) else Boxes.none()
        return _uri(_with_boxes(picture, made.shape[1], truth, answer, samples.classes, score_min))
    if samples.problem is Problem.SEGMENTATION:
        return _uri(_beside(picture, target, np.asarray(answer)))
    return _uri(picture)


def spectrogram(sound: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Frequencies over time, low at the bottom, uint8 (bins, moments); white is the loudest, black 70 dB below it."""
    padded = np.pad(sound.astype(np.float64), (0, max(0, _WINDOW - len(sound))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2
    loud = 10.0 * np.log10(power / max(float(power.max()), 1e-9) + 1e-12)
    shade = np.clip(1.0 + loud / _FLOOR_DB, 0.0, 1.0)
    return (255.0 * shade.T[::-1]).astype(np.uint8)


def _shown(made: NDArray[np.uint8], side_px: int) -> Image.Image:
    height, width = made.shape[:2]
    dark = made.ndim == 2 and int(made.max()) < 64  # values such as 0..16 of small symbols
    values = (made.astype(np.float32) * (255.0 / max(1, int(made.max())))).astype(np.uint8) if dark else made
    picture = Image.fromarray(values).convert("RGB")
    longest = max(height, width)
    if longest < SMALL_PX:
        times = max(1, round(SMALL_PX / longest))
        return picture.resize((width * times, height * times), Image.Resampling.NEAREST)
    scale = min(1.0, side_px / longest)
    return picture.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS)


def _with_boxes(
    picture: Image.Image, width: int, truth: Boxes, answer: Boxes, classes: tuple[str, ...], score_min: float
) -> Image.Image:
    scale = picture.width / width
    draw = ImageDraw.Draw(picture)
    scores = np.ones(len(answer), np.float32) if answer.scores is None else answer.scores
    sure = np.flatnonzero(scores >= score_min)
    found = _pairs(truth, answer, sure)
    for place, box in enumerate(truth.xywh):
        draw.rectangle(_corners(box, scale), outline=TRUTH, width=1 if place in found.values() else 3)
    font = ImageFont.load_default(_TEXT_PX)
    for place in (int(i) for i in sure):
        left, top, right, bottom = _corners(answer.xywh[place], scale)
        if place in found:
            draw.rectangle((left, top, right, bottom), outline=SAID, width=1)
            continue
        draw.rectangle((left, top, right, bottom), outline=SAID, width=2)
        said = f"{classes[int(answer.labels[place])][:16]} {scores[place]:.2f}".replace(" 0.", " .")
        above = top - _TEXT_PX - 3 if top > _TEXT_PX + 3 else top + 3
        draw.rectangle(draw.textbbox((left + 2, above), said, font=font), fill=SAID)
        draw.text((left + 2, above), said, fill=(255, 255, 255), font=font)
    return picture


def _pairs(truth: Boxes, answer: Boxes, sure: NDArray[np.int64]) -> dict[int, int]:
    """Answers and the objects of their class that they overlap by half, surest first, each once."""
    left = set(range(len(truth)))
    pairs: dict[int, int] = {}
    for place in sure:
        same = [other for other in left if truth.labels[other] == answer.labels[place]]
        best = max(same, key=lambda other: _iou(answer.xywh[place], truth.xywh[other]), default=None)
        if best is not None and _iou(answer.xywh[place], truth.xywh[best]) >= _IOU_MIN:
            left.discard(best)
            pairs[int(place)] = best
    return pairs


def _iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    both = float(np.prod(np.maximum(high - low, 0.0)))
    return both / max(1e-9, float(np.prod(one[2:]) + np.prod(other[2:])) - both)


def _corners(box: NDArray[np.float32], scale: float) -> tuple[float, float, float, float]:
    x, y, width, height = (float(value) * scale for value in box)
    return x, y, x + max(1.0, width), y + max(1.0, height)


def _beside(picture: Image.Image, target: NDArray[np.uint8], answer: NDArray[np.uint8]) -> Image.Image:
    """The picture, the truth and the answer from left to right; what counts neither way is white."""
    masks = [_coloured(mask).resize(picture.size, Image.Resampling.NEAREST) for mask in (target, answer)]
    whole = Image.new("RGB", (3 * picture.width + 8, picture.height), (255, 255, 255))
    for number, part in enumerate((picture, *masks)):
        whole.paste(part, (number * (picture.width + 4), 0))
    return whole


def _coloured(mask: NDArray[np.uint8]) -> Image.Image:
    colours = _COLOURS[mask % len(_COLOURS)]
    colours[mask == IGNORED] = 255
    return Image.fromarray(colours)


def _uri(picture: Image.Image) -> str:
    sink = io.BytesIO()
    small = max(picture.size) <= 2 * SMALL_PX and picture.mode == "RGB"
    if small:  # large pixels would blur
        picture.quantize(64).save(sink, "PNG", optimize=True)
    else:
        picture.convert("RGB").save(sink, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    kind = "png" if small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(sink.getvalue()).decode()}"
