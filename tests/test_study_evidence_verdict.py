"""What is said of two curricula: by hand, of the published table, and of any numbers."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from curricula import InputError
from study.evidence.effects import Effect
from study.evidence.pairing import Arm, paired
from study.evidence.verdict import (
    Outcome,
    by_group,
    by_task,
    in_reach,
    most_comparisons,
    out_of_reach,
    outcome_of,
    verdicts,
)
from tests.score_rows import of_paper, scored

A, B, C = Arm("linear", 600), Arm("constant", 600), Arm("step", 600)
ONE = {"tf/0": [0.5, 0.6], "tf/1": [0.7, 0.6], "mouse/0": [0.4, 0.5]}
OTHER = {"tf/0": [0.4, 0.4], "tf/1": [0.5, 0.6], "mouse/0": [0.3, 0.2]}
ROWS = pd.concat([scored("linear", 600, ONE), scored("constant", 600, OTHER)])


def test_a_comparison_by_hand() -> None:
    """Differences: mouse/0 0.1, 0.3; tf/0 0.1, 0.2; tf/1 0.2, 0.0; means of tasks 0.2, 0.15, 0.1, of all 0.15.

    Mean squares: tasks 2 x 0.0025 = 0.005; seeds 3 x 0.000556, less than those of the rest, 0.0217: nothing is seen of
    what seeds share. So the variance is 0.005 / 6 with 2 degrees of freedom, of which Student's t is 4.303.
    Squares about the mean add up to 0.055: the standard deviation is (0.055 / 5) ** 0.5. Five of six win, one ties.
    To be found with a power of 80 %: 4.303 + 1.061 standard errors. p: no flip of three tasks is below 2 in 8.
    """
    (found,) = verdicts(ROWS, [(A, B)], worth=0.1)
    half = 4.302653 * (0.005 / 6) ** 0.5
    assert found.effect.mean == pytest.approx(0.15)
    assert (found.effect.low, found.effect.high) == (pytest.approx(0.15 - half), pytest.approx(0.15 + half))
    assert (found.effect.tasks, found.effect.seeds, found.left_out) == (3, 2, 0)
    assert found.standardised == pytest.approx(0.15 / 0.011**0.5)
    assert found.superiority == pytest.approx(5.5 / 6)
    assert found.detectable == pytest.approx((4.302653 + 1.060660) * (0.005 / 6) ** 0.5, rel=1e-4)
    assert 0.25 <= found.p == found.p_holm < 1
    assert found.outcome is Outcome.NOT_SHOWN
    assert found.sentence("MCC") == (
        "`linear` at 600 steps against `constant` at 600 steps: +0.150 MCC, from too little to tell "
        "(3 task(s), 2 seed(s))."
    )


def test_what_no_scores_could_have_shown_is_said() -> None:
    """Of six tasks the least p is 2 in 2 ** 6 = 0.031, and 0.0625 for two comparisons; seven halve it."""

    def told(tasks: int, comparisons: int) -> str | None:
        scores = {f"tf/{number}": [0.5, 0.6] for number in range(tasks)}
        rows = pd.concat([scored(one, 600, scores) for one in ("linear", "constant", "step")])
        return out_of_reach(verdicts(rows, [(A, B), (C, B)][:comparisons]))

    assert told(6, 1) is None
    assert told(7, 2) is None
    assert told(6, 2) == (
        "However large, no difference could have been shown here: with 6 task(s), 2 seed(s) and 2 comparison(s) no "
        "adjusted p comes down to 0.05; 7 tasks or 7 seeds would do."
    )
    assert out_of_reach([]) is None


def test_how_many_comparisons_can_be_made() -> None:
    """The least p is 2 in 2 ** tasks, and never below 1 in 10,000: 0.05 is 500 times that."""
    assert [most_comparisons(tasks, 2) for tasks in (5, 6, 10, 11, 40)] == [0, 1, 25, 51, 500]
    assert in_reach(1) == "6 tasks or 6 seeds would do"
    assert in_reach(500) == "15 tasks or 15 seeds would do"
    assert in_reach(501) == "no number of them would do: at most 500 comparisons can be made"


def test_seeds_that_are_still_needed() -> None:
    """Tasks agree and seeds have a variance of 2 (see the test of power): 7 seeds for 2 points, 2 are there."""
    rows = pd.concat([scored("linear", 600, {"tf/0": [1, 3], "tf/1": [1, 3]}), scored("constant", 600, OTHER)])
    rows.loc[rows["curriculum"] == "constant", "value"] = 0.0
    (found,) = verdicts(rows, [(A, B)], worth=2.0)
    assert found.more_seeds == 5
    assert verdicts(rows, [(A, B)], worth=99.0)[0].more_seeds == 0


def test_p_is_adjusted_for_all_that_was_compared() -> None:
    rows = pd.concat([ROWS, scored("step", 600, {"tf/0": [0.4, 0.5], "tf/1": [0.5, 0.5], "mouse/0": [0.3, 0.2]})])
    found = verdicts(rows, [(A, B), (A, C), (B, C)])
    smallest = min(found, key=lambda verdict: verdict.p)
    assert smallest.p_holm == pytest.approx(min(1, 3 * smallest.p))
    assert [verdict.p for verdict in found][:1] == [verdicts(rows, [(A, B)])[0].p]


CLEAR = {f"task/{number}": [0.5, 0.52, 0.48, 0.51] for number in range(9)}
LOW = {f"task/{number}": [0.4 + 0.002 * number] * 4 for number in range(9)}


@pytest.mark.parametrize(
    ("one", "other", "outcome", "words"),
    [
        (CLEAR, LOW, Outcome.BETTER, "`linear` at 600 steps beat `constant` at 600 steps (+0.09"),
        (LOW, CLEAR, Outcome.WORSE, "`linear` at 600 steps was worse than `constant` at 600 steps (-0.09"),
        (CLEAR, CLEAR, Outcome.NOT_SHOWN, "was not shown to differ from `constant` at 600 steps (+0.000"),
    ],
)
def test_the_word_for_it(one: Any, other: Any, outcome: Outcome, words: str) -> None:
    (found,) = verdicts(pd.concat([scored("linear", 600, one), scored("constant", 600, other)]), [(A, B)])
    assert found.outcome is outcome
    assert words in found.sentence("MCC")


def test_one_seed_never_shows_that_a_curriculum_is_better() -> None:
    """Sign flips of 9 tasks that agree: 2 in 512."""
    sides = [scored(arm.curriculum, 600, {task: [values[0]] for task, values in table.items()})
             for arm, table in ((A, CLEAR), (B, LOW))]  # fmt: skip
    for order, side in (((A, B), "above"), ((B, A), "below")):
        (found,) = verdicts(pd.concat(sides), [order])
        assert found.p == pytest.approx(2 / 512)
        assert found.outcome is Outcome.ONE_SEED
        assert math.isnan(found.more_seeds)
        assert f"is {side} `" in found.sentence("MCC")
        assert "in one initialisation, which says nothing about others (" in found.sentence("MCC")


def test_one_pair_says_nothing() -> None:
    rows = pd.concat([scored("linear", 600, {"tf/0": [0.9]}), scored("constant", 600, {"tf/0": [0.1]})])
    (found,) = verdicts(rows, [(A, B)])
    assert (found.p, found.effect.low, found.effect.high) == (1.0, -math.inf, math.inf)
    assert found.outcome is Outcome.NOT_SHOWN
    assert math.isnan(found.standardised)


def test_one_task_is_judged_over_its_seeds() -> None:
    """Eight seeds that agree: 2 in 256; Student's t for 7 degrees of freedom is 2.365."""
    values = [0.5, 0.52, 0.48, 0.5, 0.51, 0.49, 0.52, 0.48]
    rows = pd.concat([scored("linear", 600, {"tf/0": values}), scored("constant", 600, {"tf/0": [0.4] * 8})])
    (found,) = verdicts(rows, [(A, B)])
    assert found.p == pytest.approx(2 / 256)
    half = 2.3646 * np.std(values, ddof=1) / 8**0.5
    assert found.effect.half_width == pytest.approx(half, rel=1e-4)
    assert found.outcome is Outcome.BETTER


def test_pairs_outside_the_full_table_are_counted() -> None:
    rows = pd.concat(
        [scored("linear", 600, {**ONE, "tf/2": [0.9, None]}), scored("constant", 600, {**OTHER, "tf/2": [0, 0]})]
    )
    (found,) = verdicts(rows, [(A, B)])
    assert found.left_out == 1
    assert found.effect.mean == pytest.approx(0.15)
    assert by_task(paired(rows, A, B))["seeds"].tolist() == [2, 2, 2, 1]


def test_collapses_of_both_are_listed_and_stay_in_the_numbers() -> None:
    rows = pd.concat([ROWS, scored("step", 600, {"tf/0": [0.0, 0.6]})])
    rows.loc[(rows["curriculum"] == "linear") & (rows["task"] == "tf/1") & (rows["seed"] == 1), "value"] = 0.01
    (found,) = verdicts(rows, [(A, B)])
    assert [(one.curriculum, one.task, one.seed, one.value) for one in found.collapses] == [("linear", "tf/1", 1, 0.01)]
    assert found.effect.mean == pytest.approx((6 * 0.15 - 0.59) / 6)


def test_it_takes_interval_and_p() -> None:
    def around(low: float, high: float, seeds: int = 3) -> Effect:
        return Effect((low + high) / 2, low, high, 27, seeds)

    assert outcome_of(around(0.01, 0.03), 0.05) is Outcome.BETTER
    assert outcome_of(around(-0.03, -0.01), 0.05) is Outcome.WORSE
    assert outcome_of(around(0.01, 0.03), 0.051) is Outcome.NOT_SHOWN
    assert outcome_of(around(0.0, 0.03), 0.001) is Outcome.NOT_SHOWN
    assert outcome_of(around(-0.03, 0.0), 0.001) is Outcome.NOT_SHOWN
    assert outcome_of(around(0.01, 0.03, seeds=1), 0.001) is Outcome.ONE_SEED


def test_every_task_has_its_line() -> None:
    """tf/0: 0.1 and 0.2, half of 12.706 x 0.0707 / 2 ** 0.5 on either side."""
    table = by_task(paired(ROWS, A, B)).set_index("task")
    assert list(table.index) == ["mouse/0", "tf/0", "tf/1"]
    assert table["group"].tolist() == ["non_human", "human", "human"]
    line = table.loc["tf/0"]
    assert (line["a"], line["b"], line["difference"]) == (pytest.approx(0.55), pytest.approx(0.4), pytest.approx(0.15))
    assert (line["low"], line["high"]) == (
        pytest.approx(0.15 - 0.6353, abs=1e-3),
        pytest.approx(0.15 + 0.6353, abs=1e-3),
    )
    alone = by_task(paired(pd.concat([scored(n, 600, {"own": [0.5]}) for n in ("linear", "constant")]), A, B)).iloc[0]
    assert (alone["group"], alone["seeds"]) == ("", 1)
    assert np.isnan([alone["low"], alone["high"]]).all()


def test_human_and_other_tasks_apart() -> None:
    groups = by_group(paired(ROWS, A, B))
    assert groups["human"].mean == pytest.approx(0.125)
    assert groups["human"].tasks == 2
    assert groups["non_human"].mean == pytest.approx(0.2)
    assert list(by_group(paired(ROWS[ROWS["task"] == "mouse/0"], A, B))) == ["non_human"]


def test_the_published_comparisons() -> None:
    """The paper gives p = 0.112 against genemask and 0.021 against 120,000 steps at random.

    Those are two-sided paired t tests over its 27 tasks (one-sided: 0.056 and 0.010). Sign flips come near them. One
    seed each: nothing follows for other initialisations, so neither is a win.
    """
    rows = of_paper("DNABERT")
    ours, genemask, longest = Arm("cm-gems", 10_000), Arm("genemask", 10_000), Arm("random", 120_000)
    for other, printed in ((genemask, 0.112), (longest, 0.021)):
        differences = paired(rows, ours, other).full
        assert differences.shape == (27, 1)
        assert stats.ttest_1samp(differences.ravel(), 0).pvalue == pytest.approx(printed, abs=0.0006)
    against_genemask, against_longest = verdicts(rows, [(ours, genemask), (ours, longest)])
    assert 100 * against_genemask.effect.mean == pytest.approx(63.09 - 62.34, abs=0.01)
    assert against_genemask.p == pytest.approx(0.112, abs=0.01)
    assert against_genemask.outcome is Outcome.NOT_SHOWN
    assert 100 * against_longest.effect.mean == pytest.approx(63.09 - 60.69, abs=0.01)
    assert against_longest.p == pytest.approx(0.021, abs=0.01)
    assert against_longest.p_holm == pytest.approx(2 * against_longest.p)
    assert against_longest.effect.low > 0
    assert against_longest.outcome is Outcome.ONE_SEED


@pytest.mark.parametrize(
    ("comparisons", "worth", "error"),
    [
        ([(A, A)], 0.01, "an arm must be compared with another one, but got `linear` at 600 steps twice"),
        ([(A, B), (B, A)], 0.01, "each comparison must be made once, but got `linear` at 600 steps against `constant`"),
        ([(A, B)], 0.0, "worth must be above 0, but got 0.0"),
        ([(A, Arm("linear", 0))], 0.01, "there are no scores of `linear`; `linear` has some at: 600"),
    ],
)
def test_comparisons_that_cannot_be_are_refused(comparisons: list[tuple[Arm, Arm]], worth: float, error: str) -> None:
    with pytest.raises(InputError, match=error):
        verdicts(ROWS, comparisons, worth)


SCORE = st.integers(-100, 100).map(lambda number: number / 100)


@given(st.lists(st.lists(st.tuples(SCORE, SCORE), min_size=3, max_size=3), min_size=1, max_size=5), st.integers(0, 9))
def test_for_any_scores_it_turns_with_the_sides_and_not_with_the_rows(
    pairs: list[list[tuple[float, float]]], shuffle: int
) -> None:
    tables = [{f"t/{task}": [pair[side] for pair in seeds] for task, seeds in enumerate(pairs)} for side in (0, 1)]
    rows = pd.concat([scored("linear", 600, tables[0]), scored("constant", 600, tables[1])])
    (found,) = verdicts(rows, [(A, B)])
    (turned,) = verdicts(rows.sample(frac=1, random_state=shuffle), [(B, A)])
    assert found.effect.low <= found.effect.mean <= found.effect.high
    assert 0 < found.p <= found.p_holm <= 1
    assert turned.effect.mean == pytest.approx(-found.effect.mean)
    assert (turned.effect.low, turned.effect.high) == (
        pytest.approx(-found.effect.high),
        pytest.approx(-found.effect.low),
    )
    assert turned.p == pytest.approx(found.p)
    assert turned.superiority == pytest.approx(1 - found.superiority)
    opposite = {Outcome.BETTER: Outcome.WORSE, Outcome.WORSE: Outcome.BETTER}
    assert turned.outcome is opposite.get(found.outcome, found.outcome)
