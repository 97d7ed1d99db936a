"""Scores of predicted classes, by scikit-learn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef


@dataclass(frozen=True)
class TaskScores:
    """What one trained classifier showed: metrics of the dev and of the test split, by metric name."""

    dev: dict[str, float]
    test: dict[str, float]


def score(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> dict[str, float]:
    """Return MCC (0 where only one class is predicted or present), macro-F1 and accuracy."""
    return {
        "mcc": float(matthews_corrcoef(truth, predicted)),
        "macro_f1": float(f1_score(truth, predicted, average="macro", zero_division=0.0)),
        "accuracy": float(accuracy_score(truth, predicted)),
    }
