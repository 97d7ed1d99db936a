"""Ranks, their critical difference and profiles, by hand and against published tables."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curricula import InputError
from study.evidence.pairing import Arm, task_means
from study.evidence.ranks import profiles, ranks
from tests.score_rows import of_paper

SCORES = pd.DataFrame(
    {"a": [0.9, 0.8, 0.7, 0.6], "b": [0.8, 0.8, 0.5, 0.5], "c": [0.1, 0.2, 0.6, 0.1]}, index=["w", "x", "y", "z"]
)


def test_ranks_by_hand() -> None:
    """On x the first two share ranks 1 and 2, on y c is before b: a 1.125, b 2.125, c 2.75.

    Friedman: 12 x 4 / (3 x 4) x the sum of (mean rank - 2) squared = 4 x (0.765625 + 0.015625 + 0.5625) = 5.375, over
    1 - 6 / (4 x 24) for the tie. Nemenyi: 2.343 x (3 x 4 / (6 x 4)) ** 0.5 = 1.657 (Demsar's Table 5 has the 2.343).
    """
    found = ranks(SCORES)
    assert found.average == {"a": 1.125, "b": 2.125, "c": 2.75}
    assert found.statistic == pytest.approx(5.375 / (1 - 6 / 96))
    assert found.p == pytest.approx(math.exp(-found.statistic / 2))  # chi-square with 2 degrees of freedom
    assert found.critical == pytest.approx(2.343 * 0.5**0.5, rel=1e-3)
    assert found.tasks == 4
    assert found.alike == [("a", "b", "c")]


def test_bars_join_neighbours_within_the_critical_difference() -> None:
    """40 tasks: the critical difference of four columns is 2.569 x (4 x 5 / 240) ** 0.5 = 0.742."""
    rows = [[4, 3, 2, 1]] * 20 + [[3, 4, 2, 1]] * 20
    found = ranks(pd.DataFrame(rows, columns=list("abcd")))
    assert found.critical == pytest.approx(0.742, abs=1e-3)
    assert found.average == {"a": 1.5, "b": 1.5, "c": 3.0, "d": 4.0}
    assert found.alike == [("a", "b")]


def test_two_columns_have_ranks_and_no_friedman_test() -> None:
    found = ranks(SCORES[["b", "c"]])
    assert found.average == {"b": 1.25, "c": 1.75}
    assert math.isnan(found.p)
    assert found.critical == pytest.approx(1.960 * (2 * 3 / (6 * 4)) ** 0.5, rel=1e-3)


def test_equal_scores_are_no_difference() -> None:
    found = ranks(pd.DataFrame(np.ones((5, 3)), columns=list("abc")))
    assert (found.statistic, found.p) == (0.0, 1.0)
    assert found.alike == [("a", "b", "c")]


def test_the_published_models_are_ranked() -> None:
    maskings = [Arm(name, 10_000) for name in ("genemask", "global", "cm-step", "cm-gems")]
    found = ranks(task_means(of_paper("DNABERT"), maskings))
    assert found.tasks == 27
    assert next(iter(found.average)) == "`cm-gems` at 10,000 steps"
    assert found.p < 0.01
    assert sum(found.average.values()) == pytest.approx(10)


def test_profiles_by_hand() -> None:
    """Behind the best, task by task: a never; b by 0.1, 0, 0.2, 0.1; c by 0.8, 0.6, 0.1, 0.5."""
    found = profiles(SCORES)
    assert found.index.tolist() == [0.0, 0.1, 0.2, 0.5, 0.6, 0.8]
    assert found["a"].tolist() == [1.0] * 6
    assert found["b"].tolist() == [0.25, 0.75, 1.0, 1.0, 1.0, 1.0]
    assert found["c"].tolist() == [0.0, 0.25, 0.25, 0.5, 0.75, 1.0]


@given(arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(2, 5)), elements=st.integers(-9, 9)))
def test_for_any_scores_ranks_add_up_and_profiles_rise_to_one(scores: "np.ndarray") -> None:  # type: ignore[type-arg]
    frame = pd.DataFrame(scores, columns=[f"c{number}" for number in range(scores.shape[1])])
    found, shares = ranks(frame), profiles(frame)
    columns = scores.shape[1]
    assert sum(found.average.values()) == pytest.approx(columns * (columns + 1) / 2)
    assert list(found.average.values()) == sorted(found.average.values())
    assert (shares.diff().dropna() >= 0).all(axis=None)
    assert (shares.iloc[-1] == 1).all()
    assert shares.iloc[0].sum() >= 1 - 1e-9
    assert shares.index[0] == 0
    assert list(shares.index) == sorted(set(shares.index))
    for bar in found.alike:
        assert found.average[bar[-1]] - found.average[bar[0]] <= found.critical


@pytest.mark.parametrize(
    ("scores", "error"),
    [
        (SCORES[["a"]], r"4 task\(s\), 1 column\(s\) and 0 hole\(s\)"),
        (SCORES.iloc[:1], r"1 task\(s\), 3 column\(s\)"),
        (SCORES.replace(0.8, np.nan), r"and 3 hole\(s\)"),
    ],
)
def test_what_cannot_be_ranked_is_refused(scores: pd.DataFrame, error: str) -> None:
    for call in (ranks, profiles):
        with pytest.raises(InputError, match=error):
            call(scores)
