"""Pictures of one unit's labels: boxes and poses over its image, masks, depth, normals, light, sound, clips, texts.

Owns what each kind of label looks like; where the pictures go is the sheet's business (`neuromation.synthetic.preview`).
Needs Pillow. For people's eyes: nothing here is exact to the bit or hashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from neuromation.synthetic import colours
from neuromation.synthetic.annotations import Event, events_of
from neuromation.synthetic.formats.png import brightness
from neuromation.synthetic.generator import Layer, Unit
from neuromation.synthetic.panels_words import row_card, text_card

Picture = Image.Image
Draw = ImageDraw.ImageDraw
Json = dict[str, Any]

TAGS_MAX = 60  # objects that are named in one picture
FRAMES = 6  # of a film strip
_TALLEST = 2  # times its width
_WINDOW = 512  # samples of one column of a spectrogram
_DYNAMIC_DB = 70.0
_BOX_EDGES = ((0, 1), (1, 3), (3, 2), (2, 0), (4, 5), (5, 7), (7, 6), (6, 4), (0, 4), (1, 5), (2, 6), (3, 7))
_AXES = ((232, 64, 64), (64, 190, 84), (70, 120, 245))


@dataclass(frozen=True)
class Look:
    """The colours of the paper that panels lie on."""

    paper: str
    ink: str
    faint: str
    card: str


@dataclass(frozen=True)
class Legend:
    """What the colours of a panel mean: a line of words, and a scale from `low` to `high` where there is one."""

    words: str = ""
    scale: str = ""
    low: str = ""
    high: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture of a unit, its name, what its colours mean, and how many columns of the sheet it spans."""

    title: str
    picture: Picture
    legend: Legend = Legend()
    span: int = 1


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that Pillow brings."""
    return ImageFont.load_default(size)


def panels(
    unit: Unit, layers: Sequence[Layer], classes: Sequence[str], value_max: int, width: int, look: Look
) -> list[Panel]:
    """Every picture of a unit, each `width` pixels wide times its span."""
    found: list[Panel] = []
    objects = _objects(unit)
    if unit.image is not None:
        image = _fitted(Image.fromarray(brightness(value_max)[unit.image]).convert("RGB"), width)
        label = "" if unit.label is None else classes[unit.label]
        found.append(Panel("image", image, Legend(label)))
        if objects:
            found.append(_boxes(image, objects, unit, classes))
            if any("pose" in item for item in objects) and "camera" in unit.annotations:
                found.append(_poses(image, objects, unit))
    for layer in layers:
        array = unit.layers[layer.name]
        if layer.kind == "audio":
            found += _sound(array, layer, unit, classes, width, look)
        elif layer.kind == "video":
            found.append(_strip(array, layer, unit, classes, width, look))
        else:
            found.append(_map(array, layer, unit, width))
    if unit.image is None and not unit.layers:
        found.append(_words(unit, classes, width, look))
    return found


def _objects(unit: Unit) -> list[Json]:
    """The unit's objects, also under their old name of boxes."""
    listed = unit.annotations.get("objects", unit.annotations.get("boxes"))
    return [item for item in listed if isinstance(item, dict) and "bbox" in item] if isinstance(listed, list) else []


def _fitted(picture: Picture, width: int) -> Picture:
    """The picture at a width: reduced smoothly, or enlarged so that its pixels are seen."""
    smooth = picture.width > width / 2
    return picture.resize(_room(picture, width), Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST)


def _nearest(pixels: NDArray[np.uint8], width: int) -> Picture:
    """A map of colours at a width; its values are not mixed."""
    picture = Image.fromarray(pixels)
    return picture.resize(_room(picture, width), Image.Resampling.NEAREST)


def _reduced(pixels: NDArray[np.uint8], width: int) -> Picture:
    """A map of colours whose values may be mixed, at a width: crisp when it grows, smooth when it shrinks."""
    picture = Image.fromarray(pixels)
    way = Image.Resampling.BOX if picture.width > width else Image.Resampling.NEAREST
    return picture.resize(_room(picture, width), way)


def _room(picture: Picture, width: int) -> tuple[int, int]:
    """Its size at a width; what is very tall becomes narrower instead."""
    times = min(width / picture.width, _TALLEST * width / picture.height)
    return max(1, round(picture.width * times)), max(1, round(picture.height * times))


# -- objects ----------------------------------------------------------------------------------------------------------


def _boxes(image: Picture, objects: list[Json], unit: Unit, classes: Sequence[str]) -> Panel:
    shown = Image.blend(image, Image.new("RGB", image.size, "#000000"), 0.18)
    draw = ImageDraw.Draw(shown)
    times = image.width / unit.picture.shape[1]
    for item in objects:
        colour = colours.class_colour(None if item.get("null") else item.get("label"))
        whole = item.get("bbox_amodal")
        if whole and whole != item["bbox"]:
            _dashed(draw, _corners(whole, times), colour)
        draw.rectangle(_corners(item["bbox"], times), outline=colour, width=2 if len(objects) < 80 else 1)
        few = len(item.get("keypoints", {})) * 40 < item["bbox"][2] * item["bbox"][3] * times * times
        for x, y, seen in item.get("keypoints", {}).values():
            if seen and few:  # on a small object they would hide it
                fill = colour if seen == 2 else None
                draw.ellipse((x * times - 2, y * times - 2, x * times + 2, y * times + 2), fill=fill, outline="#ffffff")
    for item in sorted(objects, key=lambda item: -item["bbox"][2] * item["bbox"][3])[:TAGS_MAX]:
        _tag(draw, item, times, classes)
    nulls = sum(bool(item.get("null")) for item in objects)
    words = f"{len(objects) - nulls} objects" + (f", {nulls} null" if nulls else "")
    return Panel("boxes", shown, Legend(words))


def _corners(bbox: Sequence[float], times: float) -> tuple[float, float, float, float]:
    x, y, width, height = bbox
    return (
        x * times,
        y * times,
        max(x * times + 1, (x + width) * times - 1),
        max(y * times + 1, (y + height) * times - 1),
    )


def _dashed(draw: Draw, corners: tuple[float, float, float, float], colour: colours.Rgb) -> None:
    left, top, right, bottom = corners
    for x in np.arange(left, right, 7):
        draw.line([(x, top), (min(x + 3, right), top)], fill=colour)
        draw.line([(x, bottom), (min(x + 3, right), bottom)], fill=colour)
    for y in np.arange(top, bottom, 7):
        draw.line([(left, y), (left, min(y + 3, bottom))], fill=colour)
        draw.line([(right, y), (right, min(y + 3, bottom))], fill=colour)


def _tag(draw: Draw, item: Json, times: float, classes: Sequence[str]) -> None:
    """The class over a box, where the box has room for it."""
    label = item.get("label")
    name = "none" if item.get("null") else str(item.get("class") or (classes[label] if label is not None else "?"))
    left, top, right, bottom = _corners(item["bbox"], times)
    type = font(10)
    if right - left < 14 or bottom - top < 12 or draw.textlength(name, font=type) > max(right - left, 24) * 1.5:
        return
    wide = draw.textlength(name, font=type) + 5
    y = top - 12 if top >= 12 else top
    colour = colours.class_colour(None if item.get("null") else label)
    draw.rectangle((left, y, left + wide, y + 12), fill=colour)
    draw.text((left + 3, y + 1), name, fill="#10131a", font=type)


def _poses(image: Picture, objects: list[Json], unit: Unit) -> Panel:
    """The oriented box of every object with a pose, and its x, y and z axes in red, green and blue."""
    grey = image.convert("L").convert("RGB")
    shown = Image.blend(grey, Image.new("RGB", image.size, "#000000"), 0.3)
    draw = ImageDraw.Draw(shown)
    camera, times = unit.annotations["camera"], image.width / unit.picture.shape[1]
    for item in objects:
        pose = item.get("pose")
        if not pose:
            continue
        turn = np.array(pose["rotation"], np.float64).reshape(3, 3)
        middle = np.array(pose["translation_m"], np.float64)
        half = np.array(pose.get("size_m", [0.02] * 3), np.float64) / 2
        corners = np.array([[(-1, 1)[n & 1], (-1, 1)[n >> 1 & 1], (-1, 1)[n >> 2]] for n in range(8)]) * half
        points = [_seen(middle + turn @ corner, camera, times) for corner in corners]
        colour = colours.class_colour(None if item.get("null") else item.get("label"))
        for a, b in _BOX_EDGES:
            start, stop = points[a], points[b]
            if start and stop:
                draw.line([start, stop], fill=colour)
        origin = _seen(middle, camera, times)
        for axis in range(3):
            tip = _seen(middle + turn[:, axis] * half.max(), camera, times)
            if origin and tip:
                draw.line([origin, tip], fill=_AXES[axis], width=2)
    return Panel("pose", shown, Legend("x red, y green, z blue"))


def _seen(point: NDArray[np.float64], camera: Json, times: float) -> tuple[float, float] | None:
    """Where a point of the camera's frame is seen, in pixels of the panel; None behind the camera."""
    x, y, z = (float(value) for value in point)
    if z <= 1e-6:
        return None
    a, b = x / z, y / z
    square = a * a + b * b
    bent = 1 + camera.get("k1", 0.0) * square + camera.get("k2", 0.0) * square * square
    return (camera["fx"] * a * bent + camera["cx"]) * times, (camera["fy"] * b * bent + camera["cy"]) * times


# -- maps -------------------------------------------------------------------------------------------------------------


def _map(array: NDArray[Any], layer: Layer, unit: Unit, width: int) -> Panel:
    """A layer as colours: those with known names as what they are, others by their values."""
    name = layer.name
    if name == "instances":
        count = len(np.unique(array)) - (0 in array)
        return Panel(name, _masks(array, unit, width), Legend(f"{count} ids in {layer.dtype}"))
    if name == "normals":
        return Panel(name, _reduced(array, width), Legend("red: right, green: down, blue: to the camera"))
    known = {"semantic": _semantic, "depth": _depth, "illumination": _light, "flow": _flow}.get(name, _values)
    pixels, legend = known(array, layer)
    shown = _nearest(pixels, width) if name == "semantic" else _reduced(pixels, width)
    return Panel(name, shown.convert("RGB"), legend)


Shown = tuple[NDArray[np.uint8], Legend]


def _semantic(array: NDArray[Any], layer: Layer) -> Shown:
    null = int(np.iinfo(array.dtype).max)
    return colours.label_colours(array, null=null), Legend("a colour a class, grey: null")


def _depth(array: NDArray[Any], layer: Layer) -> Shown:
    there = array[array > 0]
    near, far = np.quantile(there, (0.01, 0.99)) if there.size else (0.0, 1.0)
    pixels = colours.scale((array - near) / max(far - near, 1.0), "depth")
    pixels[array == 0] = colours.NOTHING
    return pixels, Legend("along the axis; black: nothing", "depth", f"{near / 1000:.2f} m", f"{far / 1000:.2f} m")


def _light(array: NDArray[Any], layer: Layer) -> Shown:
    light = (array / 128.0) ** 2
    top = max(float(np.quantile(light, 0.995)), 1e-6)
    return colours.scale(np.sqrt(light / top), "light"), Legend("light on the surface", "light", "0", f"{top:.2f}")


def _flow(array: NDArray[Any], layer: Layer) -> Shown:
    if array.ndim != 3:
        return _values(array, layer)
    pixels, longest = colours.flow_colours(array)
    return pixels, Legend(f"hue: direction; longest {longest:.1f} px")


def _values(array: NDArray[Any], layer: Layer) -> Shown:
    if array.dtype == np.uint8:
        return array, Legend(layer.meaning[:60])
    low, high = int(array.min()), int(array.max())
    grey = ((array.astype(np.float64) - low) / max(high - low, 1) * 255).astype(np.uint8)
    return grey, Legend(layer.meaning[:40], "", str(low), str(high))


def _masks(ids: NDArray[Any], unit: Unit, width: int) -> Picture:
    """Every object in its own colour over a pale image, with its outline."""
    pixels = colours.object_colours(ids)
    if unit.image is not None and unit.image.shape[:2] == ids.shape:
        image = unit.image if unit.image.ndim == 3 else np.repeat(unit.image[..., None], 3, axis=2)
        grey = image.mean(axis=2, keepdims=True)
        share = np.where(ids > 0, 0.68, 0.0)[..., None]
        pixels = (pixels * share + (0.45 * grey + 20) * (1 - share)).astype(np.uint8)
    edge = np.zeros(ids.shape, np.bool_)
    edge[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    edge[1:] |= ids[1:] != ids[:-1]
    pixels[edge] = (pixels[edge] * 0.35).astype(np.uint8)
    return _nearest(pixels, width)


# -- sound ------------------------------------------------------------------------------------------------------------


def _sound(
    array: NDArray[Any], layer: Layer, unit: Unit, classes: Sequence[str], width: int, look: Look
) -> list[Panel]:
    mono = array.astype(np.float64) if array.ndim == 1 else array.mean(axis=1)
    mono /= 32768.0
    seconds = len(mono) / layer.rate_hz
    height = round(width * 0.42)
    span = 2
    size = (span * width, height)
    wave = _wave(mono, size, look)
    spectrum, top_db = _spectrogram(mono, size)
    events = events_of(unit.annotations, classes)
    for picture in (wave, spectrum):
        _mark_events(picture, events, seconds)
    peak = float(np.abs(mono).max())
    axis = f"{seconds:.2f} s at {layer.rate_hz:g} Hz, peak {peak:.2f}"
    title = unit.annotations.get("text") or unit.annotations.get("word") or ""
    return [
        Panel("waveform", wave, Legend(f"{title}   {axis}".strip()), span),
        Panel(
            "spectrogram",
            spectrum,
            Legend(f"0 to {layer.rate_hz / 2000:g} kHz", "sound", f"{top_db - _DYNAMIC_DB:.0f} dB", f"{top_db:.0f} dB"),
            span,
        ),
    ]


def _wave(mono: NDArray[np.float64], size: tuple[int, int], look: Look) -> Picture:
    """Between which values the sound goes in each column."""
    width, height = size
    shown = Image.new("RGB", size, look.card)
    draw = ImageDraw.Draw(shown)
    draw.line([(0, height // 2), (width, height // 2)], fill=look.faint)
    edges = np.linspace(0, len(mono), width + 1).astype(np.intp)
    peak = max(float(np.abs(mono).max()), 1e-4)
    for x in range(width):
        part = mono[max(edges[x] - 1, 0) : max(edges[x + 1], edges[x] + 1)]  # with the sample before: one line
        low, high = (height / 2 * (1 - 0.94 * float(v) / peak) for v in (part.max(), part.min()))
        draw.line([(x, low), (x, high)], fill="#2f6fb2")
    return shown


def _spectrogram(mono: NDArray[np.float64], size: tuple[int, int]) -> tuple[Picture, float]:
    """Strength in dB by time and frequency, and the strongest."""
    window = min(_WINDOW, max(64, len(mono) // 4))
    step = max(1, (len(mono) - window) // (size[0] // 2) or 1)
    padded = np.pad(mono, (0, max(0, window - len(mono))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::step]
    strength = np.abs(np.fft.rfft(frames * np.hanning(window), axis=1)) / window
    decibel = 20 * np.log10(strength + 1e-9)
    top = float(decibel.max())
    shown = colours.scale(((decibel - top) / _DYNAMIC_DB + 1).T[::-1], "sound")
    return Image.fromarray(shown).resize(size, Image.Resampling.BILINEAR), top


def _mark_events(picture: Picture, events: Sequence[Event], seconds: float) -> None:
    """Bars at the top of a picture of time, each as long as its event, with its class."""
    draw = ImageDraw.Draw(picture)
    free: list[float] = []  # where each line of bars ends
    names = sorted({event.name for event in events})
    for event in sorted(events, key=lambda event: event.onset_s):
        start = event.onset_s / seconds * picture.width
        stop = max(start + 3, event.offset_s / seconds * picture.width)
        line = next((n for n, end in enumerate(free) if end <= start), len(free))
        free[line : line + 1] = [stop]
        colour = colours.class_colour(names.index(event.name) if event.label is None else event.label)
        top = 2 + 15 * line
        draw.rectangle((start, top, stop, top + 13), fill=colour)
        draw.line([(start, top), (start, picture.height)], fill=colour)
        draw.line([(stop, top), (stop, picture.height)], fill=colour)
        draw.text((start + 3, top + 1), event.name[:24], fill="#10131a", font=font(10))


# -- clips, texts, rows -----------------------------------------------------------------------------------------------


def _strip(array: NDArray[Any], layer: Layer, unit: Unit, classes: Sequence[str], width: int, look: Look) -> Panel:
    """Frames at even times beside each other, with their objects, over a line of time with the events."""
    count = min(FRAMES, len(array))
    chosen = np.linspace(0, len(array) - 1, count).round().astype(int).tolist()
    span, gap, line = 4, 4, 40
    each = (span * width - gap * (count - 1)) // count
    pictures = [_frame(array[number], layer, unit, number, each) for number in chosen]
    height = pictures[0].height
    shown = Image.new("RGB", (span * width, height + line), look.card)
    draw = ImageDraw.Draw(shown)
    rate = layer.rate_hz or 1.0
    seconds = len(array) / rate
    for place, (number, picture) in enumerate(zip(chosen, pictures, strict=True)):
        shown.paste(picture, (place * (each + gap), 0))
        left, words = place * (each + gap), f"{number / rate:.2f} s"
        draw.rectangle((left, 0, left + draw.textlength(words, font=font(11)) + 7, 15), fill="#10161d")
        draw.text((left + 4, 2), words, fill="#eef2f6", font=font(11))
    bars = Image.new("RGB", (span * width, line - 6), look.card)
    _mark_events(bars, events_of(unit.annotations, classes), seconds)
    shown.paste(bars, (0, height + 6))
    words = f"{len(array)} frames at {layer.rate_hz:g} Hz, {seconds:.1f} s"
    return Panel(layer.name, shown, Legend(words), span)


def _frame(frame: NDArray[Any], layer: Layer, unit: Unit, number: int, width: int) -> Picture:
    if frame.dtype == np.uint16:
        there = frame[frame > 0]
        far = float(there.max()) if there.size else 1.0
        frame = colours.scale(frame / far, "depth")
    picture = _fitted(Image.fromarray(frame).convert("RGB"), width)
    times = picture.width / frame.shape[1]
    told = unit.annotations.get("frames")
    if not isinstance(told, list) or number >= len(told) or not isinstance(told[number], dict):
        return picture
    draw = ImageDraw.Draw(picture)
    state = told[number]
    if "bbox" in state:
        draw.rectangle(_corners(state["bbox"], times), outline=colours.class_colour(0))
    for place, point in enumerate((state.get("keypoints") or {}).values()):
        x, y = point[0] * times, point[1] * times
        if len(point) < 3 or point[2]:
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colours.class_colour(place), outline="#ffffff")
    return picture


def _words(unit: Unit, classes: Sequence[str], width: int, look: Look) -> Panel:
    """A text, or the values of a row, on a card."""
    span = 4
    draw = text_card if isinstance(unit.annotations.get("text"), str) else row_card
    card = draw(unit, classes, span * width, ink=look.ink, faint=look.faint, card=look.card)
    return Panel(f"unit {unit.index}", card, Legend(), span)
