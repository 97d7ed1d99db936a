"""The interval of a difference: by hand, against scipy, and how often it holds the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from study.evidence.effects import effect, standardised, superiority


def test_by_hand() -> None:
    """Mean squares of [[1, 3], [5, 11]]: tasks 36, seeds 16, rest 4."""
    found = effect(np.array([[1.0, 3.0], [5.0, 11.0]]))
    variance = (36 + 16 - 4) / 4
    freedom = (36 + 16 - 4) ** 2 / (36**2 / 1 + 16**2 / 1 + 4**2 / 1)
    assert freedom == pytest.approx(1.469, abs=1e-3)
    assert (found.mean, found.tasks, found.seeds) == (5.0, 2, 2)
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, freedom) * variance**0.5)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_along_one_line_it_is_the_t_interval(shape: tuple[int, int]) -> None:
    values = np.array([0.3, -0.1, 0.4, 0.2, 0.0])
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = effect(values.reshape(shape))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_where_seeds_share_nothing_it_rests_on_the_means_of_tasks() -> None:
    values = np.array([[1.0, -1.0], [3.0, 5.0], [0.0, 2.0], [4.0, 2.0]])
    assert values.mean(0).tolist() == [2.0, 2.0]
    low, high = stats.ttest_1samp(values.mean(1), 0).confidence_interval(0.95)
    assert (effect(values).low, effect(values).high) == (pytest.approx(low), pytest.approx(high))


def test_equal_differences_leave_no_doubt() -> None:
    found = effect(np.full((3, 2), 0.25))
    assert (found.low, found.mean, found.high) == (0.25, 0.25, 0.25)


def test_one_number_alone_has_no_interval() -> None:
    found = effect(np.array([[0.2]]))
    assert (found.mean, found.low, found.high) == (0.2, -math.inf, math.inf)


def test_sizes_by_hand() -> None:
    """1, -2, 3, 0 have a mean of 0.5, squares about it of 13, a deviation of (13/3)^0.5; two and a half win."""
    values = np.array([[1.0, -2.0], [3.0, 0.0]])
    assert standardised(values) == pytest.approx(0.5 / (13 / 3) ** 0.5)
    assert superiority(values) == 2.5 / 4


@pytest.mark.parametrize(("value", "size"), [(0.1, math.inf), (-0.1, -math.inf), (0.0, 0.0)])
def test_equal_differences_have_no_spread_to_be_measured_by(value: float, size: float) -> None:
    assert standardised(np.full((3, 2), value)) == size
    assert math.isnan(standardised(np.full((1, 1), value)))


@given(arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.integers(-9, 9)))
def test_sizes_turn_with_the_sign(values: np.ndarray) -> None:  # type: ignore[type-arg]
    assert superiority(-values) == pytest.approx(1 - superiority(values))
    assert standardised(-values) == pytest.approx(-standardised(values), nan_ok=True)


@given(arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(1, 5)), elements=st.floats(-1, 1)))
def test_it_turns_with_the_sign_and_moves_with_the_mean(values: np.ndarray) -> None:  # type: ignore[type-arg]
    found, turned, moved = effect(values), effect(-values), effect(values + 3)
    assert found.low <= found.mean <= found.high
    assert (turned.low, turned.high) == (pytest.approx(-found.high), pytest.approx(-found.low))
    assert (moved.mean, moved.half_width) == (pytest.approx(found.mean + 3), pytest.approx(found.half_width, abs=1e-6))


@pytest.mark.parametrize(("of_task", "of_seed"), [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (1.0, 0.5), (1.0, 1.0)])
@pytest.mark.parametrize("seeds", [3, 5])
def test_about_95_of_100_intervals_hold_the_truth(of_task: float, of_seed: float, seeds: int) -> None:
    """Also where a seed lifts all tasks together, where tasks as independent pairs would hold it half of the time."""
    draw, count, held = np.random.default_rng(7), 1500, 0
    for _ in range(count):
        values = (
            draw.normal(size=(27, seeds)) + of_task * draw.normal(size=(27, 1)) + of_seed * draw.normal(size=(1, seeds))
        )
        found = effect(values)
        held += found.low <= 0 <= found.high
    assert 0.925 <= held / count <= 0.985
