"""Whether one curriculum is better than another: interval, p, sizes of the effect, and one word for all of it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd

from curricula import InputError
from study.evidence.collapses import Collapse, collapses
from study.evidence.effects import Effect, effect, standardised, superiority
from study.evidence.pairing import Arm, Pairs, paired
from study.evidence.permutation import holm, least_p, paired_p
from study.evidence.power import detectable, seeds_needed
from study.evidence.published import Group, group_of

ALPHA = 0.05
WORTH = 0.01  # a difference of MCC that would be worth knowing


class Outcome(StrEnum):
    """What is said of a comparison."""

    BETTER = "better"
    WORSE = "worse"
    NOT_SHOWN = "not shown"
    ONE_SEED = "in one initialisation alone"


def outcome_of(effect: Effect, p_holm: float) -> Outcome:
    """Return what may be said: a difference is shown where the interval leaves out zero and p is at most 0.05.

    It takes both. With two or three seeds that share much, up to 12 % of the intervals miss the truth, and the p makes
    up for it; and a small p beside an interval that holds zero would be read as a contradiction. Of one seed it is
    never said that a curriculum is better, whatever the tasks say.

    Args:
        effect: Of the differences.
        p_holm: Adjusted for all comparisons that were made together.
    """
    if effect.low <= 0 <= effect.high or p_holm > ALPHA:
        return Outcome.NOT_SHOWN
    if effect.seeds == 1:
        return Outcome.ONE_SEED
    return Outcome.BETTER if effect.mean > 0 else Outcome.WORSE


@dataclass(frozen=True)
class Verdict:
    """One arm against another.

    Attributes:
        a: The one.
        b: The other; a positive difference is in favour of `a`.
        effect: Mean difference over tasks and seeds with its 95 % interval.
        p: Two-sided, of the sign-flip test of `study.evidence.permutation`.
        p_holm: The same, adjusted for all comparisons that were made together.
        standardised: The mean in standard deviations of the single differences.
        superiority: Probability that a pair of task and seed favours `a`, ties by half.
        detectable: True difference that would have been found with a power of 80 %.
        more_seeds: How many more would make a difference of `worth` detectable; infinite where no number would, not a
            number where one seed does not tell.
        worth: In units of the score.
        left_out: Pairs of task and seed outside the full table on which all of this rests.
        collapses: Fine-tunings of both that ended near chance; their scores are in all of this.
    """

    a: Arm
    b: Arm
    effect: Effect
    p: float
    p_holm: float
    standardised: float
    superiority: float
    detectable: float
    more_seeds: float
    worth: float
    left_out: int
    collapses: tuple[Collapse, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """What may be said."""
        return outcome_of(self.effect, self.p_holm)

    def sentence(self, metric: str) -> str:
        """Say it, with the numbers that it rests on."""
        found = self.effect
        counted = f"{found.tasks} task(s), {found.seeds} seed(s)"
        if least_p(found.tasks, found.seeds) > ALPHA:  # not even if all agreed
            return f"{self.a} against {self.b}: {found.mean:+.3f} {metric}, from too little to tell ({counted})."
        interval = f"95 % interval {found.low:+.3f} to {found.high:+.3f}"
        numbers = f"{found.mean:+.3f} {metric}, {interval}, adjusted p {self.p_holm:.2g}, {counted}"
        words = {
            Outcome.BETTER: f"{self.a} beat {self.b}",
            Outcome.WORSE: f"{self.a} was worse than {self.b}",
            Outcome.NOT_SHOWN: f"{self.a} was not shown to differ from {self.b}",
            Outcome.ONE_SEED: f"{self.a} is {'above' if found.mean > 0 else 'below'} {self.b} over tasks, in one "
            "initialisation, which says nothing about others",
        }
        return f"{words[self.outcome]} ({numbers})."


def verdicts(rows: pd.DataFrame, comparisons: Sequence[tuple[Arm, Arm]], worth: float = WORTH) -> list[Verdict]:
    """Return a verdict on each comparison, p adjusted for all of them.

    Args:
        rows: As `paired` takes them.
        comparisons: All that a reader is shown: one that was made and left out makes the others too sure.
        worth: A difference that would be worth knowing, in units of the score.

    Raises:
        InputError: as `paired`; or an arm is compared with itself, a comparison is there twice, `worth` is not above 0.
    """
    if worth <= 0:
        raise InputError(f"worth must be above 0, but got {worth}")
    for a, b in comparisons:
        if a == b:
            raise InputError(f"an arm must be compared with another one, but got {a} twice")
    if len({frozenset(comparison) for comparison in comparisons}) < len(comparisons):
        raise InputError(f"each comparison must be made once, but got {_in_words(comparisons)}")
    collapsed = collapses(rows)
    found = [_alone(rows, a, b, worth, collapsed) for a, b in comparisons]
    adjusted = holm([one.p for one in found])
    return [replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True)]


def most_comparisons(tasks: int, seeds: int) -> int:
    """Return of how many comparisons one could still be shown, if all scores agreed on it: Holm takes p times them."""
    return math.floor(ALPHA / least_p(tasks, seeds) + 1e-9)


def in_reach(comparisons: int) -> str:
    """Return in words how many tasks or seeds would do for so many comparisons."""
    needed = 1 + math.ceil(math.log2(comparisons / ALPHA))
    if most_comparisons(needed, 1) < comparisons:
        return f"no number of them would do: at most {most_comparisons(needed, 1)} comparisons can be made"
    return f"{needed} tasks or {needed} seeds would do"


def out_of_reach(found: Sequence[Verdict]) -> str | None:
    """Return in words that none of these could have been shown, whatever the scores; None where one could.

    If all agreed on every task and seed, each p would be the least, and Holm's the least times their number.
    """
    if not found:
        return None
    largest = min(found, key=lambda one: least_p(one.effect.tasks, one.effect.seeds))
    if len(found) <= most_comparisons(largest.effect.tasks, largest.effect.seeds):
        return None
    return (
        f"However large, no difference could have been shown here: with {largest.effect.tasks} task(s), "
        f"{largest.effect.seeds} seed(s) and {len(found)} comparison(s) no adjusted p comes down to {ALPHA}; "
        f"{in_reach(len(found))}."
    )


def _in_words(comparisons: Iterable[tuple[Arm, Arm]]) -> str:
    return ", ".join(f"{a} against {b}" for a, b in comparisons)


def _alone(rows: pd.DataFrame, a: Arm, b: Arm, worth: float, collapsed: Sequence[Collapse]) -> Verdict:
    pairs = paired(rows, a, b)
    values = pairs.full
    p = paired_p(values)
    return Verdict(
        a=a,
        b=b,
        effect=effect(values),
        p=p,
        p_holm=p,
        standardised=standardised(values),
        superiority=superiority(values),
        detectable=detectable(values),
        more_seeds=max(0.0, seeds_needed(values, worth) - values.shape[1]) if values.shape[1] > 1 else np.nan,
        worth=worth,
        left_out=pairs.left_out,
        collapses=tuple(one for one in collapsed if Arm(one.curriculum, one.budget) in (a, b)),
    )


def by_task(pairs: Pairs) -> pd.DataFrame:
    """Return every task of a comparison, also those that the verdict left out.

    Columns: task, group (`human` or `non_human` of GUE, or empty), a, b (mean scores over seeds), difference, low, high
    (95 % t interval over seeds; not a number with one), seeds. No p: among 27 tasks one is below 0.05 by chance.
    """
    lines = []
    for name, differences in pairs.differences.iterrows():
        task, own = str(name), differences.dropna().to_numpy()
        found = effect(own.reshape(1, -1))
        limits = (found.low, found.high) if len(own) > 1 else (np.nan, np.nan)
        scores = (float(side.loc[[task]].mean(axis=1).iloc[0]) for side in (pairs.a, pairs.b))
        lines.append((task, group_of(task) or "", *scores, found.mean, *limits, len(own)))
    columns = ["task", "group", "a", "b", "difference", "low", "high", "seeds"]
    return pd.DataFrame(lines, columns=columns)


def by_group(pairs: Pairs) -> dict[Group, Effect]:
    """Return the mean difference over GUE's tasks of human DNA and over its others, each with its interval.

    They describe; a difference between the two is not tested. A group without tasks is left out.
    """
    found: dict[Group, Effect] = {}
    for group in ("human", "non_human"):
        own = [group_of(str(task)) == group for task in pairs.a.index]
        if any(own):
            found[group] = effect(Pairs(pairs.a[own], pairs.b[own]).full)
    return found
