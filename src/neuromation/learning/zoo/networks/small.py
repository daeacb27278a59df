"""Small networks that say which class a picture shows or a sound is, made to train on processors; know no data sets.

`SmallResNet` is a residual network (He et al. 2016) of a few hundred thousand weights. `LogMelCnn` hears: its spectra are
convolutions with fixed kernels, so that the network exported is all that a phone needs.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from neuromation.learning.classifier import Classifier
from neuromation.learning.problem import Problem
from neuromation.learning.zoo.networks.small_config import LogMelCnnConfig, SmallResNetConfig

_SPREAD_LEAST = 0.02  # of a picture's values, 0..1: one of a single tone stays finite
_POWER_LEAST = 1e-10  # of a sound, full scale 1: digital silence stays finite
_LOG_FLOOR = 1e-5  # of a band's power over the loudest moment's: 50 dB below it nothing is told apart


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outer)
        # Averaging before the 1x1 convolution loses no pixel, unlike a stride (He et al. 2019, "Bag of tricks").
        self.pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
        changes = stride > 1 or inner != outer
        self.match = nn.Conv2d(inner, outer, 1, bias=False) if changes else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.match(self.pool(x)))


class SmallResNet(Classifier):
    """Stem, stages of residual blocks, mean over the picture, one linear layer.

    Input float32 (N, channels, height, width), raw values 0..value_max; output logits float32 (N, classes). Values are
    levelled by fixed numbers, or by each picture's own mean and spread over all channels, which takes exposure and
    contrast out and leaves colour in.
    """

    def __init__(self, config: SmallResNetConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv2d(config.channels, config.base, 3, min(2, config.stem_stride), 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(config.base)
        blocks: list[nn.Module] = [nn.MaxPool2d(2)] if config.stem_stride == 4 else []
        inner = config.base
        for stage in range(config.stages):
            outer = config.base * 2**stage
            for number in range(config.blocks):
                blocks.append(_Block(inner, outer, 2 if stage and not number else 1))
                inner = outer
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(inner, classes)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits (N, classes)."""
        return (self.head(self.dropout(self.features(inputs))),)

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the last layer sees, (N, features)."""
        x = inputs * (1.0 / self.config.value_max)
        if self.config.level == "picture":
            x = x - x.mean(dim=(1, 2, 3), keepdim=True)
            x = x / (x.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() + _SPREAD_LEAST)
        else:
            x = (x - 0.5) * 4.0
        x = functional.relu(self.stem_norm(self.stem(x)))
        means: torch.Tensor = self.blocks(x).mean(dim=(2, 3))
        return means


def mel_bank(bins: int, rate_hz: int, bands: int, low_hz: float) -> NDArray[np.float32]:
    """Triangles of equal width in mel, float32 (bands, bins), from `low_hz` to 95 % of half the rate.

    Mel by O'Shaughnessy (1987): 2595 log10(1 + f / 700).
    """

    def mel(f: float) -> float:
        return 2595.0 * math.log10(1.0 + f / 700.0)

    edges = 700.0 * (10.0 ** (np.linspace(mel(low_hz), mel(0.475 * rate_hz), bands + 2) / 2595.0) - 1.0)
    hz = np.arange(bins) * (rate_hz / 2.0) / (bins - 1)
    rising = (hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hz) / np.diff(edges)[1:, None]
    # A low band may lie between two bins: it then takes the nearest one.
    bank = np.maximum(0.0, np.minimum(rising, falling))
    for band in np.flatnonzero(bank.sum(axis=1) == 0):
        bank[band, int(np.abs(hz - edges[band + 1]).argmin())] = 1.0
    return bank.astype(np.float32)


class LogMel(nn.Module):
    """Waveforms float32 (N, samples) to levelled log-mel pictures (N, bands, frames), for any loudness and length.

    Quiet ends are cut and the rest is stretched to a fixed number of moments, by products of matrices alone. Of each
    band's mean level half is taken out: a microphone's tone changes it, but so does a vowel.
    """

    def __init__(self, config: LogMelCnnConfig) -> None:
        super().__init__()
        self.config = config
        taps, bins = config.window, config.window // 2 + 1
        angle = 2.0 * np.pi * np.outer(np.arange(bins), np.arange(taps)) / taps
        waves = np.concatenate([np.cos(angle), np.sin(angle)]) * np.hanning(taps)
        # They are no weights: not trained, not stored, made again wherever the network is built.
        self.register_buffer("waves", torch.from_numpy(waves[:, None].astype(np.float32)), persistent=False)
        bank = mel_bank(bins, config.rate_hz, config.bands, config.low_hz)
        self.register_buffer("bank", torch.from_numpy(bank), persistent=False)
        self.waves: torch.Tensor
        self.bank: torch.Tensor

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        config = self.config
        x = sounds[:, 1:] - 0.9 * sounds[:, :-1]
        parts = functional.conv1d(functional.pad(x, (config.window // 2, config.window // 2))[:, None], self.waves,
                                  stride=config.hop)  # fmt: skip
        bins = config.window // 2 + 1
        power = parts[:, :bins].square() + parts[:, bins:].square()
        total = power.sum(dim=1)
        loudest = total.amax(dim=1)[:, None] + _POWER_LEAST
        bands = torch.log(torch.matmul(self.bank, power) / loudest[:, :, None] + _LOG_FLOOR)
        bands = torch.matmul(bands, self._stretch(total / loudest))
        bands = bands - 0.5 * bands.mean(dim=2, keepdim=True)
        bands = bands - bands.mean(dim=(1, 2), keepdim=True)
        return bands / (bands.square().mean(dim=(1, 2), keepdim=True).sqrt() + 1e-5)

    def _stretch(self, loudness: torch.Tensor) -> torch.Tensor:
        """Matrices (N, moments heard, frames) that take what is loud enough to `frames`, by linear interpolation."""
        config = self.config
        count = loudness.shape[1]
        places = torch.arange(count, dtype=loudness.dtype, device=loudness.device)
        if config.trim_db > 0:
            heard = (loudness > 10.0 ** (-config.trim_db / 10.0)).to(loudness.dtype)
            first = count - (heard * (count - places)).amax(dim=1)
            last = (heard * (places + 1.0)).amax(dim=1) - 1.0
        else:
            first, last = torch.zeros_like(loudness[:, 0]), torch.full_like(loudness[:, 0], count - 1.0)
        # Silence all through has first > last: it becomes one moment, drawn out.
        last = torch.maximum(last, first)
        along = self._moments(loudness)
        wanted = (first[:, None] + (last - first)[:, None] * along).clamp(0.0, count - 1.0)
        return functional.relu(1.0 - (places[None, :, None] - wanted[:, None, :]).abs())

    def _moments(self, like: torch.Tensor) -> torch.Tensor:
        """Where each frame lies between the ends, 0..1, (N or 1, frames); training stretches unevenly."""
        frames = self.config.frames
        even = torch.linspace(0.0, 1.0, frames, dtype=like.dtype, device=like.device)
        if not self.training or self.config.warp == 0:
            return even[None]
        count = len(like)  # asked for in training only: an export would take it for the one batch that it allows
        knots = 1.0 + self.config.warp * (2.0 * torch.rand(count, 1, 6) - 1.0)
        speed = functional.interpolate(knots, size=frames, mode="linear", align_corners=True)[:, 0].cumsum(dim=1)
        speed = (speed - speed[:, :1]) / (speed[:, -1:] - speed[:, :1])
        ends = 0.06 * (2.0 * torch.rand(count, 2) - 1.0)
        return ends[:, :1] + speed * (1.0 + ends[:, 1:])


class LogMelCnn(Classifier):
    """Log-mel pictures, three convolutions, one hidden layer; waveforms in, logits out.

    Input float32 (N, samples) in -1..1 at the configured rate, shorter sounds padded with zeros; output float32
    (N, classes). Training disturbs the spectra as SpecAugment does (Park et al. 2019), by torch's own generator, as
    dropout does.
    """

    problem = Problem.AUDIO_CLASSIFICATION

    def __init__(self, config: LogMelCnnConfig, classes: int) -> None:
        super().__init__()
        self.config, base = config, config.base
        self.spectrum = LogMel(config)
        self.conv1 = nn.Conv2d(1, base, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(base)
        self.conv2 = nn.Conv2d(base, 2 * base, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(2 * base)
        self.conv3 = nn.Conv2d(2 * base, 4 * base, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(4 * base)
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(4 * base * (config.bands // 8) * (config.frames // 8), config.hidden)
        self.head = nn.Linear(config.hidden, classes)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits (N, classes)."""
        x = self.spectrum(inputs)
        x = (self._disturbed(x) if self.training else x)[:, None]
        x = functional.max_pool2d(functional.relu(self.norm1(self.conv1(x))), 2)
        x = functional.max_pool2d(functional.relu(self.norm2(self.conv2(x))), 2)
        # Time is kept through the last maximum and then averaged: the order of sounds is the word.
        x = functional.max_pool2d(functional.relu(self.norm3(self.conv3(x))), (2, 1))
        x = self.dropout(functional.avg_pool2d(x, (1, 2)).flatten(1))
        return (self.head(self.dropout(functional.relu(self.hidden(x)))),)

    def _disturbed(self, bands: torch.Tensor) -> torch.Tensor:
        """Voices moved up or down by whole bands, a strip of bands and one of moments silenced; each input its own."""
        count, height, width = bands.shape
        rows, columns = torch.arange(height)[None], torch.arange(width)[None]
        if self.config.shift_bands:
            step = torch.randint(-self.config.shift_bands, self.config.shift_bands + 1, (count, 1))
            moved = (rows + step).clamp(0, height - 1)
            bands = bands.gather(1, moved[:, :, None].expand(-1, -1, width))
        silent = _strip(count, rows, self.config.mask_bands)[:, :, None]
        silent = silent | _strip(count, columns, self.config.mask_frames)[:, None, :]
        return bands.masked_fill(silent, 0.0)


def _strip(count: int, places: torch.Tensor, longest: int) -> torch.Tensor:
    """A strip of 0..longest places for each of `count`, as truth values (count, places)."""
    length = torch.randint(0, longest + 1, (count, 1)) if longest else torch.zeros(count, 1, dtype=torch.long)
    first = (torch.rand(count, 1) * (places.shape[1] - length)).floor()
    return (places >= first) & (places < first + length)
