"""What a study may claim of a curriculum, in one sentence each: never that it helps without every control."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from study import tasks
from study.evidence.controls import SHORT, Control, Controls, controls, in_words
from study.evidence.pairing import Arm
from study.evidence.verdict import Outcome, Verdict, verdicts
from study.spec.study import StudySpec
from study.store import PRETRAINING


class Support(StrEnum):
    """What the evidence supports as the reason of a better score."""

    UNKNOWN = "controls are missing"
    NOTHING = "nothing"
    SPAN = "span length"
    RATE = "masking rate"
    SCHEDULE = "what is hidden when, whatever its PMI"
    PMI = "PMI content"


@dataclass(frozen=True)
class Claim:
    """What is said of one curriculum.

    Attributes:
        arm: The curriculum and the budget.
        supports: What the evidence is for.
        missing: Controls that the study lacks; with any of them nothing is claimed.
        there: Controls that it has.
        verdicts: Against each control that it has, p adjusted for all comparisons of the study.
        sentence: All of it in words.
    """

    arm: Arm
    supports: Support
    missing: tuple[Control, ...]
    there: tuple[Control, ...]
    verdicts: tuple[Verdict, ...]
    sentence: str


def claims(
    spec: StudySpec, rows: pd.DataFrame, budget: int, also: Sequence[tuple[Arm, Arm]] = ()
) -> tuple[list[Claim], list[Verdict]]:
    """Return a claim on every curriculum with test scores at a budget but for the controls themselves, and verdicts.

    Args:
        spec: Of the study.
        rows: As `Store.rows` gives them, of one configuration of each curriculum.
        budget: Optimiser steps.
        also: Further comparisons that the reader is shown.

    Returns:
        The claims; and a verdict on each of `also` and on each comparison with a control, p adjusted for all of them.

    Raises:
        InputError: as `verdicts`, such as two configurations of a curriculum.
    """
    scored = tasks.scores(spec, rows, "test")
    found = controls(spec, pd.concat([scored, rows[rows["task"] == PRETRAINING]]), budget)
    comparisons = dict.fromkeys([*also, *((one.arm, other) for one in found for other in one.arms)])
    judged = {(verdict.a, verdict.b): verdict for verdict in verdicts(scored, list(comparisons))}
    metric = spec.evaluation.metric_in_words()
    return [_claim(one, [judged[one.arm, other] for other in one.arms], metric, spec.model.k) for one in found], list(
        judged.values()
    )


def _claim(beside: Controls, judged: Sequence[Verdict], metric: str, k: int) -> Claim:
    against = {verdict.b: verdict for verdict in judged}
    if beside.missing:
        lacking = "; ".join(in_words(control, k) for control in beside.missing)
        supports, why = Support.UNKNOWN, f"It cannot be said that {beside.arm} helps: the study lacks {lacking}."
    elif any(verdict.effect.seeds == 1 for verdict in judged):
        supports = Support.NOTHING
        why = f"It cannot be said that {beside.arm} helps: one seed says nothing about other initialisations."
    else:
        supports, why = _support(beside, against, metric)
    return Claim(beside.arm, supports, beside.missing, beside.there, tuple(judged), why)


def _support(beside: Controls, against: dict[Arm, Verdict], metric: str) -> tuple[Support, str]:
    """Return the simplest explanation that was not beaten, and the sentence that says so."""
    base = next(one for one in beside.constants if one.span == SHORT)
    others = [one for one in beside.constants if one != base]
    explanations = (
        (Support.NOTHING, [*beside.floors.values(), base.arm]),
        (Support.SPAN, [one.arm for one in others if one.span != base.span]),
        (Support.RATE, [one.arm for one in others if one.span == base.span]),
        (Support.SCHEDULE, [] if beside.placebo is None else [beside.placebo]),
    )
    for supports, arms in explanations:
        left = [against[other] for other in arms if against[other].outcome is not Outcome.BETTER]
        if left:
            return supports, _short_of(beside.arm, supports, left, against[base.arm], metric)
    supports = Support.PMI if beside.uses_pmi else Support.SCHEDULE
    least = min(against.values(), key=lambda verdict: verdict.effect.mean)
    beaten = ", ".join(f"`{other.curriculum}`" for other in against)
    weakest = f"by the least `{least.b.curriculum}`, {_numbers(least, metric)}"
    return supports, f"{beside.arm} helps, and the evidence supports {supports.value}: it beat {beaten} ({weakest})."


def _short_of(arm: Arm, supports: Support, left: Sequence[Verdict], over: Verdict, metric: str) -> str:
    """Say which controls stand, given how far the curriculum is above the plainest one."""
    if supports is Support.NOTHING:
        worse = [verdict for verdict in left if verdict.outcome is Outcome.WORSE]
        said = {"was worse than": worse, "was not shown to beat": [one for one in left if one not in worse]}
        parts = [f"{words} {_numbered(ones, metric)}" for words, ones in said.items() if ones]
        return f"The evidence for {arm} supports nothing: it {', and '.join(parts)}."
    standing = " and ".join(f"`{verdict.b.curriculum}`" for verdict in left)
    return (
        f"{arm} beat `{over.b.curriculum}` ({_numbers(over, metric)}) but was not shown to beat {standing}, so the "
        f"evidence supports {supports.value}, and no more."
    )


def _numbered(verdicts: Sequence[Verdict], metric: str) -> str:
    return "; ".join(f"`{verdict.b.curriculum}` ({_numbers(verdict, metric)})" for verdict in verdicts)


def _numbers(verdict: Verdict, metric: str) -> str:
    found = verdict.effect
    return (
        f"{found.mean:+.3f} {metric}, 95 % interval {found.low:+.3f} to {found.high:+.3f}, adjusted p "
        f"{verdict.p_holm:.2g}, {found.tasks} task(s), {found.seeds} seeds"
    )
