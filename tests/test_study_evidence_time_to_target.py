"""What a curriculum needs to reach a score: by hand, and what must hold for any curve."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curricula import InputError
from study.evidence.pairing import Arm
from study.evidence.published import published_for
from study.evidence.time_to_target import Reach, SpeedUp, Target, crossing, speed_up, time_to_target
from tests.score_rows import costs, of_paper, scored

BUDGETS = (100, 1_000, 10_000)


def curve(curriculum: str, *scores: Sequence[float | None], task: str = "tf/0", gpu_hours: float = 0.0) -> pd.DataFrame:
    """Scores by seed at each budget, on one task; a step masks 5,000 tokens and takes a GFLOP."""
    parts = []
    for budget, values in zip(BUDGETS, scores, strict=False):
        parts.append(scored(curriculum, budget, {task: values}))
        took = {"masked_tokens": 5e3 * budget, "flops": 1e9 * budget, "gpu_hours": gpu_hours * budget}
        parts += [costs(curriculum, budget, seed, **took) for seed in range(len(values))]
    return pd.concat(parts)


def test_between_two_budgets_by_hand() -> None:
    """0.4 after 1,000 steps, 0.6 after 10,000: 0.5 lies midway on the logarithm, at the root of their product."""
    rows = curve("linear", [0.3, 0.3], [0.4, 0.4], [0.6, 0.6], gpu_hours=0.01)
    found = time_to_target(rows, "linear", Target.of_number(0.5))
    root = 10**3.5
    assert found.reached["steps"] == Reach(pytest.approx(root), pytest.approx(root))
    assert {name: reach.at_most for name, reach in found.reached.items()} == pytest.approx(
        {"steps": root, "masked_tokens": 5e3 * root, "flops": 1e9 * root, "gpu_hours": 0.01 * root}
    )
    assert found.reached["steps"].is_number
    assert found.reached["steps"].in_words() == "3,162"
    assert (found.earliest, found.latest) == (found.reached, found.reached)  # the seeds agree
    assert found.target == "a mean of 0.5"


def test_the_interval_by_hand() -> None:
    """After 1,000 steps seeds have 0.35 and 0.45: Student's t for one degree of freedom is 12.706, the half 0.635.

    The upper limit passes 0.5 between 100 steps (-0.2) and 1,000 (+0.535), the lower one between 1,000 (-0.735) and
    10,000 (+0.1).
    """
    rows = curve("linear", [0.3, 0.3], [0.35, 0.45], [0.6, 0.6])
    found = time_to_target(rows, "linear", Target.of_number(0.5))
    assert found.gaps[1_000].half_width == pytest.approx(12.706 * 0.05, rel=1e-4)
    assert found.reached["steps"].at_most == pytest.approx(10**3.5)
    assert found.earliest["steps"].at_most == pytest.approx(100 * 10 ** (0.2 / 0.7353), rel=1e-3)
    assert found.latest["steps"].at_most == pytest.approx(1_000 * 10 ** (0.7353 / 0.8353), rel=1e-3)


def test_a_number_is_reached_by_the_mean_over_tasks_however_far_apart_they_lie() -> None:
    """Tasks lie 0.6 apart; the seeds' means over both agree at each budget, so there is no doubt."""
    rows = pd.concat(
        [
            curve("linear", [0, 0.1], [0.1, 0.2], [0.3, 0.4]),
            curve("linear", [0.6, 0.5], [0.7, 0.6], [0.9, 0.8], task="t"),
        ]
    )
    rows = rows.drop_duplicates(["budget", "task", "seed", "metric"])
    found = time_to_target(rows, "linear", Target.of_number(0.5))
    assert found.gaps[1_000].mean == pytest.approx(-0.1)
    assert found.gaps[1_000].half_width == pytest.approx(0)
    assert found.earliest["steps"].at_most == pytest.approx(10**3.5)
    assert found.latest["steps"].at_most == pytest.approx(10**3.5)


def test_never_reached() -> None:
    found = time_to_target(curve("linear", [0.3], [0.4], [0.6]), "linear", Target.of_number(0.7))
    assert found.reached["steps"] == Reach(10_000, math.inf)
    assert not found.reached["steps"].is_number
    assert found.reached["steps"].in_words() == "not reached (more than 10,000)"


def test_reached_before_the_first_budget_is_a_bound_and_not_a_number() -> None:
    found = time_to_target(curve("linear", [0.3], [0.4], [0.6]), "linear", Target.of_number(0.3))
    assert found.reached["steps"] == Reach(0, 100)
    assert not found.reached["steps"].is_number
    assert found.reached["flops"].in_words() == "before the first budget (at most 1e+11)"


def test_one_seed_against_a_number_leaves_everything_open() -> None:
    found = time_to_target(curve("linear", [0.3], [0.4], [0.6]), "linear", Target.of_number(0.5))
    assert found.reached["steps"].at_most == pytest.approx(10**3.5)
    assert (found.earliest["steps"], found.latest["steps"]) == (Reach(0, 100), Reach(10_000, math.inf))


def test_a_budget_that_meets_the_target_is_the_number() -> None:
    assert crossing([-0.1, 0.0, 0.2], [1.0, 2.0, 4.0]) == Reach(2.0, 2.0)


def test_the_first_crossing_counts() -> None:
    assert crossing([-0.1, 0.1, -0.1, 0.3], [1.0, 4.0, 8.0, 16.0]).at_most == pytest.approx(2.0)


def test_a_share_of_published_scores_is_reached_task_by_task() -> None:
    """Of tf/0 and tf/1 the targets are 0.45 and 0.18; the gaps after 1,000 steps are -0.05 and -0.08, later 0.15, 0.12.

    Their means, -0.065 and 0.135, cross after 0.325 of the way. Tasks lie 0.3 apart, their gaps 0.03.
    """
    rows = pd.concat([curve("linear", [0.1], [0.4], [0.6]), curve("linear", [0.1], [0.1], [0.3], task="tf/1")])
    rows = rows.drop_duplicates(["budget", "task", "seed", "metric"])
    target = Target.of_share("DNABERT", {"tf/0": 0.5, "tf/1": 0.2, "tf/9": 0.9}, 0.9)
    found = time_to_target(rows, "linear", target)
    assert found.target == "90% of DNABERT"
    assert found.gaps[1_000].mean == pytest.approx(-0.065)
    assert (found.gaps[1_000].tasks, found.gaps[1_000].seeds) == (2, 1)
    assert found.reached["steps"].at_most == pytest.approx(1_000 * 10**0.325)
    assert Target.of_share("DNABERT", {"tf/0": 0.5}).name == "DNABERT"


def test_what_another_curriculum_reached_is_paired_by_seed() -> None:
    """Seed 1 is 0.2 better in both: the gaps to it are the same, and the interval is a point."""
    rows = pd.concat(
        [curve("linear", [0.3, 0.5], [0.4, 0.6], [0.6, 0.8]), curve("constant", [0, 0], [0, 0], [0.5, 0.7])]
    )
    target = Target.of_arm(rows, Arm("constant", 10_000))
    found = time_to_target(rows, "linear", target)
    assert found.target == "the score of `constant` at 10,000 steps"
    assert found.reached["steps"].at_most == pytest.approx(10**3.5)
    assert found.earliest["steps"].at_most == pytest.approx(found.latest["steps"].at_least)
    own = time_to_target(rows, "constant", target)
    assert own.reached["steps"] == Reach(10_000, 10_000)
    assert speed_up(found, own).at_least == pytest.approx(10**0.5)


def test_a_baseline_without_seeds_is_a_target_by_task() -> None:
    rows = pd.concat(
        [curve("linear", [0.3, 0.3], [0.4, 0.4], [0.6, 0.6]), scored("cnn", 0, {"tf/0": [0.5]}, role="baseline")]
    )
    found = time_to_target(rows, "linear", Target.of_arm(rows, Arm("cnn", 0)))
    assert found.gaps[100].seeds == 2
    assert found.reached["steps"].at_most == pytest.approx(10**3.5)
    with pytest.raises(InputError, match="only what was pretrained reaches a target, but `cnn` has no score after"):
        time_to_target(rows, "cnn", Target.of_number(0.5))


def test_a_seed_that_did_not_come_to_every_budget_is_left_out() -> None:
    rows = curve("linear", [0.3, 0.9], [0.4, 0.9], [0.6, None])
    found = time_to_target(rows, "linear", Target.of_number(0.5))
    assert found.gaps[100].seeds == 1
    assert found.gaps[100].mean == pytest.approx(-0.2)


def test_costs_that_are_missing_or_nothing_are_left_out() -> None:
    rows = curve("linear", [0.3], [0.4], [0.6])
    assert set(time_to_target(rows, "linear", Target.of_number(0.5)).reached) == {"steps", "masked_tokens", "flops"}
    partly = rows[~((rows["metric"] == "flops") & (rows["budget"] == 100))]
    assert set(time_to_target(partly, "linear", Target.of_number(0.5)).reached) == {"steps", "masked_tokens"}
    assert set(time_to_target(scored("linear", 100, {"tf/0": [1]}), "linear", Target.of_number(0.5)).reached) == {
        "steps"
    }


def test_the_paper_reaches_a_share_of_dnabert_before_its_first_budget() -> None:
    """90 % of DNABERT's 60.69 is 54.62; DNABERT with cm-gems has 59.63 after 1,000 steps."""
    (dnabert,) = [line for line in published_for(of_paper("DNABERT")["task"]) if "random, 120,000" in line.label]
    rows = of_paper("DNABERT")
    found = time_to_target(rows, "cm-gems", Target.of_share("DNABERT after 120,000 steps", dnabert.mcc, 0.9))
    assert found.reached["steps"] == Reach(0, 1_000)
    whole = time_to_target(rows, "cm-gems", Target.of_share("DNABERT after 120,000 steps", dnabert.mcc))
    share = (60.69 - 59.634) / (63.09 - 59.634)
    assert whole.reached["steps"].at_most == pytest.approx(1_000 * 10**share, rel=1e-3)
    assert whole.gaps[1_000].seeds == 1


def times(table: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, SpeedUp]:
    """Speed-ups of the first of these curricula over each, to a mean of 0.5."""
    rows = pd.concat([curve(name, *scores) for name, scores in table.items()])
    found = {name: time_to_target(rows, name, Target.of_number(0.5)) for name in table}
    return {name: speed_up(next(iter(found.values())), other) for name, other in found.items()}


def test_speed_ups_by_hand() -> None:
    """Reached after 10 ** 3.5 steps; by the others after 10 ** 2.5, never in 10,000, before 100 steps."""
    found = times(
        {
            "linear": ([0.3, 0.3], [0.4, 0.4], [0.6, 0.6]),
            "fast": ([0.4, 0.4], [0.6, 0.6], [0.6, 0.6]),
            "never": ([0.1, 0.1], [0.1, 0.1], [0.1, 0.1]),
            "early": ([0.9, 0.9], [0.9, 0.9], [0.9, 0.9]),
        }
    )
    exact = {name: (pytest.approx(one.at_least), pytest.approx(one.at_most)) for name, one in found.items()}
    assert exact["linear"] == (1.0, 1.0)
    assert exact["fast"] == (0.1, 0.1)
    assert exact["never"] == (10**0.5, math.inf)
    assert exact["early"] == (0.0, 10**-1.5)
    assert found["fast"].low == pytest.approx(0.1)
    assert found["fast"].high == pytest.approx(0.1)


def test_a_speed_up_has_the_ends_of_both_intervals() -> None:
    """`linear` as in the interval by hand, from L to H; `fast` after 10 ** 2.5 steps without a doubt."""
    table = {"linear": ([0.3, 0.3], [0.35, 0.45], [0.6, 0.6]), "fast": ([0.4, 0.4], [0.6, 0.6], [0.6, 0.6])}
    rows = pd.concat([curve(name, *scores) for name, scores in table.items()])
    linear, fast = (time_to_target(rows, name, Target.of_number(0.5)) for name in table)
    low, high = 100 * 10 ** (0.2 / 0.7353), 1_000 * 10 ** (0.7353 / 0.8353)
    slower, faster = speed_up(linear, fast), speed_up(fast, linear)
    assert (slower.low, slower.high) == (
        pytest.approx(10**2.5 / high, rel=1e-3),
        pytest.approx(10**2.5 / low, rel=1e-3),
    )
    assert (faster.low, faster.high) == (
        pytest.approx(low / 10**2.5, rel=1e-3),
        pytest.approx(high / 10**2.5, rel=1e-3),
    )
    assert faster.low < faster.at_least == faster.at_most < faster.high


def test_two_bounds_tell_nothing_or_one_side() -> None:
    never, early = ([0.1, 0.1],) * 3, ([0.9, 0.9],) * 3
    assert times({"never": never, "other": never})["other"] == SpeedUp(0.0, math.inf, 0.0, math.inf)
    assert times({"early": early, "other": early})["other"] == SpeedUp(0.0, math.inf, 0.0, math.inf)
    assert times({"early": early, "other": never})["other"] == SpeedUp(100.0, math.inf, 100.0, math.inf)


def test_what_cannot_be_compared_is_refused() -> None:
    rows = pd.concat([curve("linear", [0.3], [0.4], [0.6]), curve("step", [0.3], [0.4], [0.6])])
    linear, step = (time_to_target(rows, name, Target.of_number(0.5)) for name in ("linear", "step"))
    with pytest.raises(InputError, match=r"to the same target, but are to a mean of 0\.5 and a mean of 0\.4"):
        speed_up(linear, time_to_target(rows, "step", Target.of_number(0.4)))
    with pytest.raises(
        InputError, match="both must have the cost `money`, but both have only flops, masked_tokens, st"
    ):
        speed_up(linear, step, "money")
    with pytest.raises(InputError, match=r"a target needs scores and a share above 0, but got 0 and 1\.0"):
        Target.of_share("nobody", {})
    with pytest.raises(InputError, match="a target needs scores and a share above 0, but got 1 and 0"):
        Target.of_share("somebody", {"tf/0": 0.5}, 0)
    with pytest.raises(InputError, match=r"scored at every budget and in the target \(nobody's\), but has none"):
        time_to_target(rows, "linear", Target.of_share("nobody's", {"tf/9": 0.5}))
    with pytest.raises(InputError, match="only what was pretrained reaches a target, but `nothing` has no score"):
        time_to_target(rows, "nothing", Target.of_number(0.5))


GAPS = st.lists(st.floats(-1, 1), min_size=1, max_size=6)


@given(GAPS, st.floats(0, 0.5))
def test_a_higher_target_is_never_reached_earlier(gaps: list[float], more: float) -> None:
    spent = [10.0 * 3**place for place in range(len(gaps))]
    lower, higher = crossing(gaps, spent), crossing([gap - more for gap in gaps], spent)
    assert lower.at_least <= higher.at_least * (1 + 1e-9)
    assert lower.at_most <= higher.at_most * (1 + 1e-9)
    assert 0 <= lower.at_least <= spent[-1]
    assert lower.at_least <= lower.at_most


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=3, max_size=3), st.floats(0, 1))
def test_the_interval_holds_the_number(scores: list[list[float]], target: float) -> None:
    found = time_to_target(curve("linear", *scores), "linear", Target.of_number(target))
    for cost, reach in found.reached.items():
        assert found.earliest[cost].at_least <= reach.at_least * (1 + 1e-9)
        assert reach.at_most <= found.latest[cost].at_most * (1 + 1e-9)


def test_about_95_of_100_intervals_hold_the_steps_of_the_true_curve() -> None:
    """The mean gap is -0.15, -0.05 and 0.05; tasks and seeds differ in how they respond, at all budgets alike."""
    draw, held, count, shape = np.random.default_rng(8), 0, 120, (12, 4)
    names = [f"t/{number}" for number in range(12)]
    level = draw.uniform(0.3, 0.9, (12, 1))
    target = Target.of_share("their own levels", dict(zip(names, level.ravel(), strict=True)))
    for _ in range(count):
        response = level + 0.02 * draw.normal(size=(12, 1)) + 0.01 * draw.normal(size=(1, 4))
        parts = []
        for budget, gap in zip(BUDGETS, (-0.15, -0.05, 0.05), strict=True):
            scores = response + gap + 0.02 * draw.normal(size=shape)
            parts.append(scored("linear", budget, dict(zip(names, scores.tolist(), strict=True))))
        found = time_to_target(pd.concat(parts), "linear", target)
        held += found.earliest["steps"].at_least <= 10**3.5 <= found.latest["steps"].at_most
    assert 0.95 - 3.1 * (0.05 * 0.95 / count) ** 0.5 <= held / count
