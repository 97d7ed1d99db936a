"""What a comparison could have found, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from study.evidence.effects import effect
from study.evidence.power import Components, components, detectable, seeds_needed

KNOWN = np.array([[1.0, 3.0], [5.0, 11.0]])  # mean squares: tasks 36, seeds 16, rest 4


def test_variances_by_hand() -> None:
    assert components(KNOWN) == Components((36 - 4) / 2, (16 - 4) / 2, 4)
    assert components(np.array([[1.0, -1.0], [-1.0, 1.0]])) == Components(0, 0, 4)


def test_the_detectable_difference_of_these_seeds() -> None:
    """Variance and degrees of freedom are those of the interval: (36 + 16 - 4) / 4, and 1.469."""
    freedom = 48**2 / (36**2 + 16**2 + 4**2)
    quantiles = stats.t.ppf(0.975, freedom) + stats.t.ppf(0.8, freedom)
    assert detectable(KNOWN) == pytest.approx(quantiles * 12**0.5)
    assert detectable(KNOWN) > effect(KNOWN).half_width


def test_the_detectable_difference_of_four_seeds() -> None:
    """Expected mean squares: 4 + 4 x 16, 4 + 2 x 6, 4."""
    freedom = 80**2 / (68**2 + 16**2 / 3 + 4**2 / 3)
    quantiles = stats.t.ppf(0.975, freedom) + stats.t.ppf(0.8, freedom)
    assert detectable(KNOWN, seeds=4) == pytest.approx(quantiles * (80 / 8) ** 0.5)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1)])
def test_along_one_line_it_is_that_of_the_t_test(shape: tuple[int, int]) -> None:
    """1, 2, 3, 4 have a variance of 5/3; Student's t for 3 degrees of freedom is 3.182 and 0.978."""
    assert detectable(np.arange(1.0, 5.0).reshape(shape)) == pytest.approx(4.1608 * (5 / 12) ** 0.5, rel=1e-3)


def test_seeds_needed_by_hand() -> None:
    """Tasks agree, seeds have a variance of 2: 3.490 x (2/6)^0.5 = 2.02 with 6, 3.353 x (2/7)^0.5 = 1.79 with 7."""
    values = np.array([[1.0, 3.0], [1.0, 3.0]])
    assert components(values) == Components(0, 2, 0)
    assert seeds_needed(values, worth=2.0) == 7
    assert seeds_needed(values, worth=100.0) == 2


def test_no_number_of_seeds_makes_tasks_agree() -> None:
    assert seeds_needed(KNOWN, worth=1.0) == math.inf


def test_one_seed_does_not_tell_of_others() -> None:
    values = np.arange(1.0, 5.0)[:, None]
    assert math.isnan(seeds_needed(values, worth=1.0))
    assert math.isnan(detectable(values, seeds=3))
    assert math.isnan(detectable(np.array([[1.0]])))
    assert math.isnan(detectable(values.T, seeds=1))


def test_the_detectable_difference_is_found_about_four_times_in_five() -> None:
    """At 3 standard errors of the share below and above."""
    draw, count = np.random.default_rng(4), 1000
    noise = [
        1.7 * draw.normal(size=(27, 1)) + 0.5 * draw.normal(size=(1, 5)) + 1.7 * draw.normal(size=(27, 5))
        for _ in range(count)
    ]
    true = float(np.mean([detectable(values) for values in noise]))
    found = sum(effect(values + true).low > 0 for values in noise) / count
    assert found == pytest.approx(0.8, abs=3 * (0.8 * 0.2 / count) ** 0.5 + 0.02)


@given(st.floats(0.5, 20), st.floats(1, 3))
def test_a_larger_difference_never_needs_more_seeds(worth: float, factor: float) -> None:
    values = np.array([[1.0, 3.0, 2.0], [2.0, 3.5, 1.0]])
    assert seeds_needed(values, worth * factor) <= seeds_needed(values, worth)
