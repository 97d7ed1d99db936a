"""Few false wins, intervals that hold the truth, and power, on simulated studies: a smaller run of the benchmark."""

import numpy as np
import pytest

from tests.benchmarks.verdict import PAIRS, Setting, residuals, simulate, studies

STUDIES = 300


def above(rate: float, count: int) -> float:
    """What a rate estimated from so many independent studies stays below in 99.9 % of such runs."""
    return float(rate + 3.1 * (rate * (1 - rate) / count) ** 0.5)


@pytest.mark.parametrize(
    "setting", [Setting("DNABERT", 3, 0.0), Setting("DNABERT", 3, 0.5), Setting("DNABERT", 3, 2.0)]
)
def test_where_nothing_differs_wins_are_rare(setting: Setting) -> None:
    """Also where a seed lifts all tasks by nearly as much as a task differs; p holds its level for each comparison.

    The six comparisons of a study are not independent, so the bounds are those of the studies alone.
    """
    found = simulate(setting, STUDIES)
    assert found.wins <= above(0.05, STUDIES)
    assert found.single <= above(0.05, STUDIES)
    if setting.shared < 1:
        assert 1 - above(0.07, STUDIES) <= found.covered <= 0.97 + 3.1 * (0.03 * 0.97 / STUDIES) ** 0.5
    assert found.as_pairs > 0.1  # what the verdict is there to avoid


def test_two_points_are_found_with_five_seeds_and_not_with_none_to_find() -> None:
    assert simulate(Setting("DNABERT", 5, 0.0), 40, true=2.0).power > 0.9
    assert simulate(Setting("DNABERT", 5, 0.0), 40).power <= above(0.05, 40)


def test_studies_have_the_spreads_of_the_published_table_and_no_difference() -> None:
    pool = residuals("DNABERT")
    assert pool.mean(0) == pytest.approx(0)
    assert pool.mean(1) == pytest.approx(0)
    published = np.mean([np.var(pool[:, one] - pool[:, other]) for one, other in PAIRS]) ** 0.5
    drawn = np.array([scores[0] - scores[1] for scores in studies(Setting("DNABERT", 3, 0.5), 500, 0.0)])
    expected = (np.var(pool[:, 0] - pool[:, 1]) + 0.5**2) ** 0.5
    assert drawn.std() == pytest.approx(expected, rel=0.05)
    assert drawn.mean() == pytest.approx(0, abs=0.1)
    assert 2 < published < 3
