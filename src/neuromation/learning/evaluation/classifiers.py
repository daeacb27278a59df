"""How good a classifier is on labelled pictures, with the interval chance allows; refuses to know its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuromation.kernel.rng import unit_rng
from neuromation.learning.errors import BadExport, ClassesMismatch
from neuromation.learning.training import check_data
from neuromation.learning.weights import Array
from neuromation.learning.zoo import check_classes

Predict = Callable[[NDArray[Any]], NDArray[np.float32]]  # pictures (N, H, W) -> probabilities (N, classes)

RESAMPLES = 2_000
CALIBRATION_BINS = 15
WORST_MAX = 24
ONNX_MAX_BYTES = 256 * 1024 * 1024
_PREDICT_BATCH = 512


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class: precision, recall and F1 (0 where undefined), and the number of its pictures."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a classifier did on one set of pictures.

    Intervals are 95 % percentile bootstraps. `confusion[i][j]` counts pictures of class i taken for j.
    `calibration_error` is the expected calibration error over 15 equal bins (Guo et al. 2017). `worst` are the wrongly
    classified pictures of highest confidence, as indices, worst first. `predicted` is the class index given to each
    picture.
    """

    units: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    precision: float
    recall: float
    f1: float
    f1_interval: tuple[float, float]
    calibration_error: float
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    worst: tuple[int, ...]
    predicted: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for a report, without the single predictions."""
        return {
            "units": self.units,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "f1_interval": list(self.f1_interval),
            "calibration_error": self.calibration_error,
            "per_class": [
                {"name": c.name, "precision": c.precision, "recall": c.recall, "f1": c.f1, "support": c.support}
                for c in self.per_class
            ],
            "confusion": [list(row) for row in self.confusion],
            "worst": list(self.worst),
        }


def evaluate(
    predict: Predict, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: Sequence[str], *, seed: int = 0
) -> Evaluation:
    """Measure a predictor.

    Args:
        predict: gives probabilities (N, classes) of pictures (N, H, W).
        images: raw pictures; labels: indices into `classes` (N,).
        seed: of the bootstrap.

    Raises:
        BadTrainingData, ClassesMismatch: arrays of a wrong form, or a predictor with another number of classes.
    """
    check_data(images, labels, check_classes(classes))
    return scored(predict(images), labels, classes, seed=seed)


def scored(
    probabilities: NDArray[Any], labels: NDArray[np.int64], classes: Sequence[str], *, seed: int = 0
) -> Evaluation:
    """Measure probabilities (N, classes) that a predictor gave, one row a sample. Raises ClassesMismatch."""
    names = check_classes(classes)
    scores = np.asarray(probabilities, np.float64)
    if scores.shape != (len(labels), len(names)):
        raise ClassesMismatch(
            f"the predictor gave {scores.shape} and {(len(labels), len(names))} was needed: a row a sample"
        )
    predicted = scores.argmax(axis=1)
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    precision, recall, f1 = _rates(confusion)
    accuracy_interval, f1_interval = _intervals(confusion, seed)
    return Evaluation(
        units=len(labels),
        accuracy=float(np.mean(predicted == labels)),
        accuracy_interval=accuracy_interval,
        precision=float(precision.mean()),
        recall=float(recall.mean()),
        f1=float(f1.mean()),
        f1_interval=f1_interval,
        calibration_error=_calibration_error(scores.max(axis=1), predicted == labels),
        per_class=tuple(
            ClassScore(name, float(precision[i]), float(recall[i]), float(f1[i]), int(confusion[i].sum()))
            for i, name in enumerate(names)
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        worst=_worst(scores, predicted, labels),
        predicted=tuple(int(p) for p in predicted),
    )


def accuracy_gain(
    before: Evaluation, after: Evaluation, labels: NDArray[np.int64], *, seed: int = 0
) -> dict[str, float]:
    """The gain in accuracy of one model over another on the same pictures, with its 95 % interval (paired bootstrap).

    Returns:
        {"gain", "low", "high", "better", "worse"}; the last two count the pictures that only one of them got right.
    """
    right_before, right_after = (np.asarray(e.predicted) == labels for e in (before, after))
    better, worse = int(np.sum(right_after & ~right_before)), int(np.sum(right_before & ~right_after))
    count = len(labels)
    shares = [better / count, worse / count, max(0.0, 1.0 - (better + worse) / count)]
    draws = unit_rng(seed, 0, "accuracy-gain").multinomial(count, shares, size=RESAMPLES)
    low, high = np.quantile((draws[:, 0] - draws[:, 1]) / count, [0.025, 0.975])
    return {"gain": (better - worse) / count, "low": float(low), "high": float(high), "better": better, "worse": worse}


def _rates(confusion: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 along the last axis of confusion matrices (..., classes, classes)."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    of_class, given = confusion.sum(axis=-1), confusion.sum(axis=-2)
    recall = hits / np.maximum(of_class, 1)
    precision = hits / np.maximum(given, 1)
    f1 = 2.0 * hits / np.maximum(of_class + given, 1)
    return precision, recall, f1


def _intervals(confusion: NDArray[np.int64], seed: int) -> tuple[tuple[float, float], tuple[float, float]]:
    # Drawing pictures with replacement is the same as drawing the cells of the confusion matrix.
    count, classes = int(confusion.sum()), len(confusion)
    rng = unit_rng(seed, 0, "bootstrap")
    used = np.flatnonzero(confusion)
    draws = rng.multinomial(count, confusion.ravel()[used] / count, size=RESAMPLES)
    resampled = np.zeros((RESAMPLES, classes * classes), np.int64)
    resampled[:, used] = draws
    matrices = resampled.reshape(RESAMPLES, classes, classes)
    accuracies = np.trace(matrices, axis1=1, axis2=2) / count
    f1s = _rates(matrices)[2].mean(axis=-1)
    return _quantiles(accuracies), _quantiles(f1s)


def _quantiles(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(right))


def _worst(scores: NDArray[np.float64], predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[int, ...]:
    wrong = np.flatnonzero(predicted != labels)
    order = np.argsort(-scores[wrong, predicted[wrong]], kind="stable")
    return tuple(int(i) for i in wrong[order][:WORST_MAX])


def predictor_torch(
    weights: Mapping[str, Array], model: str, config: Mapping[str, object], classes: Sequence[str]
) -> Predict:
    """A predictor by torch on one thread. Raises BadWeights when the weights are another network's."""
    from neuromation.learning import engine

    module = engine.module_of(weights, model, config, classes)
    return lambda images: _softmax(engine.logits(module, images))


def predictor_onnx(data: bytes) -> Predict:
    """A predictor by ONNX Runtime on one thread, from the bytes of a model.onnx with logits as its first output.

    Raises BadExport when ONNX Runtime cannot load the bytes.
    """
    session = onnx_session(data)
    input_name = session.get_inputs()[0].name

    def predict(images: NDArray[Any]) -> NDArray[np.float32]:
        parts = [
            session.run(None, {input_name: np.asarray(images[i : i + _PREDICT_BATCH], np.float32)[:, None]})[0]
            for i in range(0, len(images), _PREDICT_BATCH)
        ]
        return _softmax(np.concatenate(parts))

    return predict


def onnx_session(data: bytes) -> Any:
    """An ONNX Runtime session on one processor thread. Raises BadExport."""
    import onnxruntime

    if len(data) > ONNX_MAX_BYTES:
        raise BadExport(f"the ONNX file has {len(data)} bytes and at most {ONNX_MAX_BYTES} are read")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises its own classes, without a common base that is public
        raise BadExport(f"ONNX Runtime cannot load this model ({str(error)[:200]}); export it again") from error


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
