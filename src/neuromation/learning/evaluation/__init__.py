"""How good a network is, for every problem; owns the figures and their intervals, refuses to know training and files.

`measure` takes answers and the truth of any problem and gives a `Report`; `evaluate` is the older, smaller form for
classifiers of grey pictures, which the platform stores.
"""

from neuromation.learning.evaluation.classifiers import (
    CALIBRATION_BINS,
    ONNX_MAX_BYTES,
    RESAMPLES,
    WORST_MAX,
    ClassScore,
    Evaluation,
    Predict,
    accuracy_gain,
    evaluate,
    onnx_session,
    predictor_onnx,
    predictor_torch,
    scored,
)
from neuromation.learning.evaluation.comparison import Comparison, side_by_side
from neuromation.learning.evaluation.figures import Figure, Report
from neuromation.learning.evaluation.measuring import measure
from neuromation.learning.evaluation.predicting import predict, predict_module, predict_onnx, renumbered
from neuromation.learning.evaluation.scoring import box_growth, log_score, margin_told, trial_score

__all__ = [
    "CALIBRATION_BINS",
    "ONNX_MAX_BYTES",
    "RESAMPLES",
    "WORST_MAX",
    "ClassScore",
    "Comparison",
    "Evaluation",
    "Figure",
    "Predict",
    "Report",
    "accuracy_gain",
    "box_growth",
    "evaluate",
    "log_score",
    "margin_told",
    "measure",
    "onnx_session",
    "predict",
    "predict_module",
    "predict_onnx",
    "predictor_onnx",
    "predictor_torch",
    "renumbered",
    "scored",
    "side_by_side",
    "trial_score",
]
