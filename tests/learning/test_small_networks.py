"""What holds for `small-resnet` and `logmel-cnn` whatever they have learned, and that they learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from neuromation.learning.evaluation import onnx_session
from neuromation.learning.evaluation.predicting import onnx_run
from neuromation.learning.onnx_writing import to_onnx
from neuromation.learning.zoo import Exporter
from neuromation.learning.zoo.networks.small import LogMel, LogMelCnn, SmallResNet, mel_bank
from neuromation.learning.zoo.networks.small_config import (
    LogMelCnnConfig,
    SmallResNetConfig,
    logmel_cnn_input,
    small_resnet_input,
)

RATE_HZ = 8_000


def a_resnet(classes: int = 4, **knobs: object) -> SmallResNet:
    torch.manual_seed(3)
    return SmallResNet(
        SmallResNetConfig.model_validate({"height": 48, "width": 40, "base": 8, **knobs}), classes
    ).eval()


def a_logmel(**knobs: object) -> LogMel:
    return LogMel(LogMelCnnConfig.model_validate(knobs)).eval()


def pictures(count: int, channels: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(0, 255, (count, channels, 48, 40)).astype(np.float32))


def a_word(seed: int = 0, *, length: int = 3_000, first: int = 2_000, samples: int = 8_192) -> NDArray[np.float32]:
    """A chirp that swells and fades, in silence."""
    rng = np.random.default_rng(seed)
    t = np.arange(length) / RATE_HZ
    low, rise = rng.uniform(200, 900), rng.uniform(500, 2_500)
    tone = np.sin(2 * np.pi * (low * t + rise * t * t)) * np.hanning(length) * 0.3
    sound = np.zeros(samples, np.float32)
    sound[first : first + length] = tone
    return sound


@settings(max_examples=12, deadline=None)
@given(
    channels=st.sampled_from([1, 3]),
    stages=st.integers(2, 4),
    blocks=st.integers(1, 2),
    stem_stride=st.sampled_from([1, 2, 4]),
    height=st.integers(32, 70),
    width=st.integers(32, 70),
)
def test_small_resnet_takes_any_size_and_depth_and_gives_probabilities(
    channels: int, stages: int, blocks: int, stem_stride: int, height: int, width: int
) -> None:
    net = a_resnet(
        5, channels=channels, stages=stages, blocks=blocks, stem_stride=stem_stride, height=height, width=width
    )
    spec = small_resnet_input(net.config)
    assert spec.shape == (channels, height, width)
    with torch.inference_mode():
        (logits,) = net(torch.zeros(2, *spec.shape))
    answers = net.decode([logits.numpy()])
    assert len(answers) == 2
    assert all(np.asarray(answer).shape == (5,) for answer in answers)
    assert all(np.isclose(np.asarray(answer).sum(), 1.0) for answer in answers)


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.3, 1.0), dark=st.floats(0.0, 60.0))
def test_levelling_by_the_picture_takes_exposure_and_contrast_out(gain: float, dark: float) -> None:
    shown = pictures(2)
    with torch.inference_mode():
        (plain,), (changed,) = a_resnet(level="picture")(shown), a_resnet(level="picture")(gain * shown + dark)
    # A spread near zero is held away from it, hence not quite equal.
    assert torch.allclose(plain, changed, atol=0.15 * float(plain.abs().max()))


def test_fixed_levels_leave_exposure_in() -> None:
    net = a_resnet(level="fixed")
    with torch.inference_mode():
        assert not torch.allclose(net(pictures(2))[0], net(0.5 * pictures(2))[0], atol=1e-3)


def test_a_network_with_more_halvings_than_pixels_is_refused_by_its_configuration() -> None:
    with pytest.raises(ValidationError, match="64 pixels a side"):
        SmallResNetConfig(height=48, width=48, stem_stride=4, stages=5)


def test_a_sound_shorter_than_four_windows_is_refused_by_its_configuration() -> None:
    with pytest.raises(ValidationError, match="four windows"):
        LogMelCnnConfig(samples=2_048, window=1024)


@settings(max_examples=15, deadline=None)
@given(
    rate_hz=st.sampled_from([8_000, 16_000, 44_100]),
    bands=st.sampled_from([32, 40, 64]),
    window=st.sampled_from([128, 256, 512]),
)
def test_every_mel_band_hears_something_and_bands_rise_in_frequency(rate_hz: int, bands: int, window: int) -> None:
    bank = mel_bank(window // 2 + 1, rate_hz, bands, 80.0)
    assert bank.shape == (bands, window // 2 + 1)
    assert (bank >= 0).all()
    assert (bank.sum(axis=1) > 0).all()
    centres = (bank * np.arange(bank.shape[1])).sum(axis=1) / bank.sum(axis=1)
    assert (np.diff(centres) >= -1e-4).all()


def test_the_spectrum_is_that_of_the_discrete_fourier_transform() -> None:
    net = a_logmel()
    sound = np.random.default_rng(0).normal(0, 0.1, 256).astype(np.float32)
    parts = torch.nn.functional.conv1d(torch.from_numpy(sound)[None, None], net.waves)[0, :, 0].numpy()
    wanted = np.fft.rfft(sound * np.hanning(256))
    np.testing.assert_allclose(parts[:129], wanted.real, atol=2e-5)
    np.testing.assert_allclose(parts[129:], -wanted.imag, atol=2e-5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 50), gain_db=st.floats(-40.0, 10.0))
def test_loudness_changes_nothing(seed: int, gain_db: float) -> None:
    sound = torch.from_numpy(a_word(seed))[None]
    heard, other = a_logmel()(sound), a_logmel()(sound * 10 ** (gain_db / 20))
    assert torch.allclose(heard, other, atol=2e-2)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 50), moved=st.integers(-15, 15))
def test_silence_before_and_after_changes_nothing(seed: int, moved: int) -> None:
    # By whole hops, so that the windows lie at the same places of the word.
    heard = a_logmel()(torch.from_numpy(np.stack([a_word(seed), a_word(seed, first=2_000 + 128 * moved)])))
    assert torch.allclose(heard[0], heard[1], atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 1e-6, 1.0])
def test_silence_and_a_constant_are_heard_as_finite_values(value: float) -> None:
    for trim_db in (0.0, 30.0):
        assert bool(torch.isfinite(a_logmel(trim_db=trim_db)(torch.full((2, 8_192), value))).all())


def test_what_makes_the_spectrum_is_no_weight() -> None:
    names = LogMelCnn(LogMelCnnConfig(), 3).state_dict()
    assert not [name for name in names if name.startswith("spectrum")]


def test_a_trained_ear_is_the_same_each_time_and_a_learning_one_is_disturbed() -> None:
    torch.manual_seed(0)
    net = LogMelCnn(LogMelCnnConfig(base=8), 3)
    sound = torch.from_numpy(a_word())[None].expand(2, -1)
    learning = net(sound)[0]
    assert not torch.allclose(learning[0], learning[1])
    net.eval()
    assert torch.equal(net(sound)[0], net(sound)[0])


@pytest.mark.parametrize("kind", ["picture", "sound"])
def test_a_network_learns_what_separates_two_classes(kind: str) -> None:
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    labels = [int(label) for label in rng.integers(0, 2, 12)]
    net: SmallResNet | LogMelCnn
    if kind == "picture":
        net = SmallResNet(SmallResNetConfig(height=32, width=32, base=8, stages=2, dropout=0), 2)
        inputs = torch.from_numpy(rng.uniform(0, 80, (12, 3, 32, 32)).astype(np.float32))
        inputs[:, 0, 8:24, 8:24] += torch.tensor(labels)[:, None, None] * 120.0
    else:
        net = LogMelCnn(LogMelCnnConfig(base=8, dropout=0), 2)
        rising = [a_word(seed) for seed in range(12)]
        inputs = torch.from_numpy(
            np.stack([sound[::-1].copy() if label else sound for sound, label in zip(rising, labels, strict=True)])
        )
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    before = float(net.loss(inputs, labels).item())
    for _ in range(12):
        optimiser.zero_grad()
        loss = net.loss(inputs, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert math.isfinite(before)
    assert float(loss.item()) < 0.7 * before


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["picture", "sound"])
def test_onnx_runtime_gives_the_same_logits_for_any_batch(kind: str) -> None:
    net: SmallResNet | LogMelCnn
    if kind == "picture":
        net, inputs = a_resnet(), pictures(2)
        spec = small_resnet_input(net.config)
    else:
        torch.manual_seed(2)
        net, inputs = LogMelCnn(LogMelCnnConfig(base=8), 4).eval(), torch.from_numpy(np.stack([a_word(1), a_word(2)]))
        spec = logmel_cnn_input(net.config)
        assert spec.shape == (8_192,)
    session = onnx_session(to_onnx(net, spec, inputs.numpy(), Exporter.DYNAMO))
    for batch in (inputs[:1], inputs, torch.cat([inputs, inputs[:1]])):
        with torch.inference_mode():
            wanted = net(batch)[0].numpy()
        np.testing.assert_allclose(onnx_run(session, spec)(batch.numpy())[0], wanted, atol=2e-4)
