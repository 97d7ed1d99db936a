"""How much training a curriculum needs to reach a score: in steps, masked tokens, FLOPs, GPU-hours and money.

At each budget the scores are compared with the target; the curve of that difference is followed from budget to budget.
Between two budgets the difference is taken as linear in the logarithm of the cost, as learning curves nearly are. The
interval is that of the difference turned round (Fieller's argument): from where its upper limit first reaches the
target to where its lower limit first does.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from curricula import InputError
from study.evidence.effects import Effect, effect
from study.evidence.pairing import Arm, full_table, is_baseline, scores_of
from study.store import PRETRAINING

STEPS = "steps"
COSTS = {  # metrics of the rows of a pretraining, and what a reader calls them
    "masked_tokens": "masked tokens",
    "flops": "model FLOPs",
    "gpu_hours": "GPU-hours",
    "worker_hours": "worker-hours",
    "money": "money",
}
RECORDED = tuple(COSTS)


@dataclass(frozen=True)
class Target:
    """A score to reach.

    Attributes:
        name: In words, for a reader.
        scores: A number that the mean over tasks has to reach; or by task, or by (task, seed), so that tasks, and
            seeds, are paired with it. To a number the interval is over seeds alone: tasks lie far apart, whatever a
            curriculum does to them.
    """

    name: str
    scores: "float | pd.Series[float]"

    @staticmethod
    def of_number(score: float) -> "Target":
        """Return a mean over tasks as target."""
        return Target(f"a mean of {score:g}", score)

    @staticmethod
    def of_share(name: str, by_task: Mapping[str, float], share: float = 1.0) -> "Target":
        """Return a share of somebody's scores by task, such as those of `published_for`, as target.

        Raises:
            InputError: no scores, or a share that is not above 0.
        """
        if not by_task or share <= 0:
            raise InputError(f"a target needs scores and a share above 0, but got {len(by_task)} and {share}")
        scores = share * pd.Series(dict(by_task), dtype=np.float64).rename_axis("task")
        return Target(f"{share:.0%} of {name}" if share != 1 else name, scores)

    @staticmethod
    def of_arm(rows: pd.DataFrame, arm: Arm) -> "Target":
        """Return what another curriculum reached, such as a baseline at its longest budget, as target.

        Raises:
            InputError: as `scores_of`.
        """
        levels = "task" if is_baseline(rows, arm) else ["task", "seed"]
        return Target(f"the score of {arm}", scores_of(rows, arm).groupby(levels).mean())


@dataclass(frozen=True)
class Reach:
    """At what cost a curve crosses the target: between two limits that are one number where it was seen to cross.

    Attributes:
        at_least: The number; 0 where it is reached before the first budget; the longest budget's where it is not.
        at_most: The number; the first budget's where it is reached before it; infinite where it is not reached.
    """

    at_least: float
    at_most: float

    @property
    def is_number(self) -> bool:
        """Whether it was seen to cross, and not only to lie on one side."""
        return self.at_least == self.at_most

    def in_words(self) -> str:
        """Say it, without the unit."""
        if self.is_number:
            return f"{self.at_most:,.3g}" if self.at_most < 1000 else f"{self.at_most:,.0f}"
        if math.isinf(self.at_most):
            return f"not reached (more than {self.at_least:,.6g})"
        return f"before the first budget (at most {self.at_most:,.6g})"


@dataclass(frozen=True)
class TimeToTarget:
    """What a curriculum needs to reach a target.

    Attributes:
        curriculum: Which one.
        target: In words.
        gaps: By budget, steps: score less target, with its interval.
        reached: By cost: where the mean crosses.
        earliest: By cost: lower end of the 95 % interval.
        latest: By cost: upper end.
    """

    curriculum: str
    target: str
    gaps: dict[int, Effect]
    reached: dict[str, Reach]
    earliest: dict[str, Reach]
    latest: dict[str, Reach]


def time_to_target(rows: pd.DataFrame, curriculum: str, target: Target) -> TimeToTarget:
    """Return where a curriculum reaches a target.

    Costs are means over seeds of one training up to the budget, by the rows of its pretraining. One that is not above 0
    at every budget, such as GPU-hours on CPUs, is left out; steps are always there.

    Args:
        rows: As `pairing.paired` takes them, those of the pretraining included.
        curriculum: Compared are the tasks and seeds that have a score at each of its budgets.
        target: What to reach.

    Raises:
        InputError: as `scores_of`; no score after any step; no task or seed in common with the target.
    """
    scored = rows[(rows["curriculum"] == curriculum) & (rows["task"] != PRETRAINING)]
    budgets = sorted({int(budget) for budget in scored["budget"]} - {0})
    if not budgets:
        raise InputError(f"only what was pretrained reaches a target, but `{curriculum}` has no score after any step")
    gaps = _gaps(rows, [Arm(curriculum, budget) for budget in budgets], target)
    costs = {STEPS: [float(budget) for budget in budgets], **_recorded(rows, curriculum, budgets)}

    def along(curve: Sequence[float]) -> dict[str, Reach]:
        return {name: crossing(curve, values) for name, values in costs.items()}

    return TimeToTarget(
        curriculum=curriculum,
        target=target.name,
        gaps=dict(zip(budgets, gaps, strict=True)),
        reached=along([gap.mean for gap in gaps]),
        earliest=along([gap.high for gap in gaps]),
        latest=along([gap.low for gap in gaps]),
    )


def _gaps(rows: pd.DataFrame, arms: Sequence[Arm], target: Target) -> list[Effect]:
    """Return score less target of each arm, on one full table of tasks and seeds."""
    at = pd.DataFrame({arm.budget: scores_of(rows, arm).groupby(["task", "seed"]).mean() for arm in arms}).dropna()
    if isinstance(target.scores, pd.Series):
        own = at.index if target.scores.index.nlevels == 2 else at.index.get_level_values("task")
        at = at.sub(target.scores.reindex(own).to_numpy(), axis=0).dropna()
    else:
        at = at - target.scores
    if at.empty:
        raise InputError(
            f"`{arms[0].curriculum}` must have a task and a seed that is scored at every budget and in the target "
            f"({target.name}), but has none"
        )
    kept = full_table(at.iloc[:, 0].unstack("seed"))
    tables = [at[arm.budget].unstack("seed").loc[kept.index, kept.columns].to_numpy() for arm in arms]
    if not isinstance(target.scores, pd.Series):
        tables = [table.mean(0, keepdims=True) for table in tables]
    return [effect(table) for table in tables]


def _recorded(rows: pd.DataFrame, curriculum: str, budgets: Sequence[int]) -> dict[str, list[float]]:
    own = rows[(rows["curriculum"] == curriculum) & (rows["task"] == PRETRAINING) & rows["metric"].isin(RECORDED)]
    means = own.pivot_table("value", "metric", "budget", aggfunc="mean").reindex(columns=list(budgets))
    whole = means[(means > 0).all(axis=1)]
    return {name: whole.loc[[name]].to_numpy()[0].tolist() for name in RECORDED if name in whole.index}


def crossing(curve: Sequence[float], costs: Sequence[float]) -> Reach:
    """Return the cost at which a curve first reaches 0.

    Args:
        curve: Score less target, budget by budget.
        costs: Above 0, budget by budget.
    """
    first = next((place for place, gap in enumerate(curve) if gap >= 0), None)
    if first is None:
        return Reach(costs[-1], math.inf)
    if first == 0:
        return Reach(0.0, costs[0])
    before, after = curve[first - 1], curve[first]
    share = before / (before - after)
    cost = costs[first - 1] ** (1 - share) * costs[first] ** share
    return Reach(cost, cost)


@dataclass(frozen=True)
class SpeedUp:
    """How many times less one curriculum needs than another.

    Attributes:
        at_least: The factor, where both were seen to cross; else the least that it can be.
        at_most: The factor, or the most that it can be.
        low: Lower end of the interval.
        high: Its upper end.
    """

    at_least: float
    at_most: float
    low: float
    high: float


def speed_up(one: TimeToTarget, other: TimeToTarget, cost: str = STEPS) -> SpeedUp:
    """Return the cost of the other over the cost of the one, so that above 1 the one is faster.

    The interval has the ends of both 95 % intervals: wider than it need be, unless the times move against each other.

    Raises:
        InputError: other targets, or a cost that one of them lacks.
    """
    if one.target != other.target:
        raise InputError(f"times must be to the same target, but are to {one.target} and {other.target}")
    if cost not in one.reached or cost not in other.reached:
        both = sorted(one.reached.keys() & other.reached.keys())
        raise InputError(f"both must have the cost `{cost}`, but both have only {', '.join(both)}")
    return SpeedUp(
        *_ratio(other.reached[cost], other.reached[cost], one.reached[cost], one.reached[cost]),
        *_ratio(other.earliest[cost], other.latest[cost], one.earliest[cost], one.latest[cost]),
    )


def _ratio(low: Reach, high: Reach, below_low: Reach, below_high: Reach) -> tuple[float, float]:
    """Return the least and the most of (low..high) / (below_low..below_high); both are above 0."""
    least = low.at_least / below_high.at_most
    return least, high.at_most / below_low.at_least if below_low.at_least else math.inf
