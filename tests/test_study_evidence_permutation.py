"""The sign-flip test: by hand, against scipy, and what must hold for any numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from curricula import InputError
from study.evidence.permutation import RESAMPLES, holm, least_p, paired_p

Values = NDArray[np.float64]
TABLES = arrays(np.float64, st.tuples(st.integers(1, 7), st.integers(1, 5)), elements=st.integers(-50, 50))


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1, 2, 3], 2 / 8),  # of the sums +-1 +-2 +-3, only 6 and -6 are as far from 0 as 6
        ([1, -2, 3], 6 / 8),  # 6, 2, -4 and their negatives are as far as 2; 0 is not
        ([0, 2, 2], 4 / 8),  # the sign of the 0 is free
        ([5], 1.0),
        ([0, 0, 0], 1.0),
    ],
)
@pytest.mark.parametrize("shape", [(-1, 1), (1, -1)])
def test_by_hand_over_the_tasks_of_one_seed_or_the_seeds_of_one_task(
    differences: list[float], p: float, shape: tuple[int, int]
) -> None:
    assert paired_p(np.array(differences, dtype=float).reshape(shape)) == pytest.approx(p)


def test_where_seeds_share_nothing_it_flips_the_means_of_tasks() -> None:
    """Both seeds have a mean of 2; of the sums +-0 +-4 +-1 +-3 four in 16 are as far from 0 as 8."""
    assert paired_p(np.array([[1.0, -1.0], [3.0, 5.0], [0.0, 2.0], [4.0, 2.0]])) == pytest.approx(4 / 16)


def test_all_patterns_are_those_of_scipy() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 10)
    exact = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert paired_p(values[:, None]) == pytest.approx(exact.pvalue)


def test_random_patterns_come_near_all_of_them() -> None:
    values = np.random.default_rng(1).normal(0.5, 1, 16)
    exact = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert paired_p(values[:, None]) == pytest.approx(exact, abs=4 * (exact * (1 - exact) / RESAMPLES) ** 0.5)


def test_what_a_seed_lifts_in_all_tasks_is_little_evidence() -> None:
    """Seeds differ by far more than tasks do: 27 tasks that agree are three pretrainings, not 27 witnesses."""
    noise = np.random.default_rng(2).normal(0, 0.1, (27, 3))
    shared = noise + np.array([[0.2, 1.0, 1.8]])
    alike = noise + 1.0
    assert paired_p(shared) > 0.05
    assert paired_p(alike) < 0.001


@pytest.mark.parametrize("shape", [(27, 2), (6, 3), (27, 5), (12, 12), (4, 8)])
@pytest.mark.parametrize(("of_task", "of_seed"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 2.0)])
def test_where_nothing_differs_p_is_rarely_small(shape: tuple[int, int], of_task: float, of_seed: float) -> None:
    """At most 5 %, which 400 studies exceed by 0.034 once in a thousand times."""
    draw, count, small = np.random.default_rng(11), 400, 0
    for _ in range(count):
        tasks, seeds = of_task * draw.normal(size=(shape[0], 1)), of_seed * draw.normal(size=(1, shape[1]))
        small += paired_p(tasks + seeds + draw.normal(size=shape), resamples=499) <= 0.05
    assert small / count <= 0.05 + 3.1 * (0.05 * 0.95 / count) ** 0.5


@given(TABLES)
def test_for_any_numbers_it_is_a_p_that_knows_no_side_no_scale_and_no_order_of_seeds(values: Values) -> None:
    p = paired_p(values, resamples=64)
    flips = paired_p(np.round(values.mean(1, keepdims=True), 9), resamples=64) if len(values) >= values.shape[1] else 0
    assert 0 < p <= 1
    assert p >= flips - 1e-9
    assert p >= 1 / 65
    assert paired_p(-values, resamples=64) == pytest.approx(p)
    assert paired_p(values * 4, resamples=64) == pytest.approx(p)
    assert paired_p(values[:, ::-1], resamples=64) == pytest.approx(p, abs=0.04)  # ties may fall apart in the last bit


@pytest.mark.parametrize(("tasks", "seeds", "least"), [(1, 3, 0.25), (4, 3, 0.125), (27, 3, 1e-4), (4, 6, 1 / 32)])
def test_no_difference_is_so_large_that_p_falls_below_its_least(tasks: int, seeds: int, least: float) -> None:
    assert least_p(tasks, seeds) == pytest.approx(least)
    assert paired_p(np.full((tasks, seeds), 9.0)) == pytest.approx(least)


@pytest.mark.parametrize("values", [np.empty((0, 3)), np.array([[1.0, np.nan]]), np.array([[np.inf]])])
def test_what_is_no_difference_is_refused(values: Values) -> None:
    with pytest.raises(InputError, match="a test needs finite differences, but got "):
        paired_p(values)


def test_holm_by_hand() -> None:
    """Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, of which none may fall."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(ps: list[float]) -> None:
    adjusted = holm(ps)
    for p, own in zip(ps, adjusted, strict=True):
        assert p <= own <= min(1.0, len(ps) * p)
        assert all(own <= other for q, other in zip(ps, adjusted, strict=True) if q > p)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_is_not_adjusted(p: float) -> None:
    with pytest.raises(InputError, match=r"every p must lie in \[0, 1\], but got "):
        holm([0.5, p])
