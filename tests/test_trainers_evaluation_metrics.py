"""Metrics against their formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.evaluation.metrics import score

labels = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


def mcc_by_formula(truth: list[int], predicted: list[int]) -> float:
    """Gorodkin's correlation of K classes (2004); 0 where a side has one class only."""
    n, right = len(truth), sum(t == p for t, p in zip(truth, predicted, strict=True))
    t = [truth.count(label) for label in range(3)]
    p = [predicted.count(label) for label in range(3)]
    above = right * n - sum(a * b for a, b in zip(t, p, strict=True))
    below = math.sqrt((n**2 - sum(a * a for a in p)) * (n**2 - sum(a * a for a in t)))
    return above / below if below else 0.0


@pytest.mark.parametrize(
    ("truth", "predicted", "mcc", "macro_f1", "accuracy"),
    [
        # 2 true positives, 1 missed, 2 true negatives: MCC = 4 / sqrt(2*3*2*3)
        ([1, 1, 1, 0, 0], [1, 1, 0, 0, 0], 2 / 3, 0.8, 0.8),
        ([0, 1, 2], [0, 1, 2], 1.0, 1.0, 1.0),
        ([0, 0, 1, 1], [1, 1, 0, 0], -1.0, 0.0, 0.0),
        ([0, 1, 0, 1], [0, 0, 0, 0], 0.0, 1 / 3, 0.5),  # only one class predicted
        ([1, 1], [0, 1], 0.0, 1 / 3, 0.5),  # only one class present
        ([0, 0, 1, 1], [0, 1, 0, 1], 0.0, 0.5, 0.5),
    ],
)
def test_by_hand(truth, predicted, mcc, macro_f1, accuracy):
    expected = {"mcc": mcc, "macro_f1": macro_f1, "accuracy": accuracy}
    assert score(np.array(truth), np.array(predicted)) == pytest.approx(expected)


@given(labels)
def test_mcc_is_the_correlation_of_k_classes(pairs):
    truth, predicted = map(list, zip(*pairs, strict=True))
    if len({*truth, *predicted}) > 1:
        assert score(np.array(truth), np.array(predicted))["mcc"] == pytest.approx(
            mcc_by_formula(truth, predicted), abs=1e-12
        )
