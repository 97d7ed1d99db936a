"""What a curriculum asks for over its whole horizon, found at few of the steps, and where a loss curve changes it."""

import bisect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curricula import Curriculum, Evaluation, Masking, Mixture, Progress, Strategy, registry

Asked = Masking | Mixture
_POINTS = 2_000  # evenly spaced steps; a change that is undone within horizon / 2,000 steps may be overlooked
_JUMP = 4.0  # a change as large as in four intervals of a straight line is looked at more closely
_SWITCH = 0.25  # from one step to the next: a share of all that a number moves over the horizon; less is a slope
_ROUNDING = 1e-9


class Schedule:
    """One curriculum over one horizon, given what was measured.

    Attributes:
        name: Name of the curriculum.
        curriculum: What is asked.
        horizon: Optimiser steps.
        curve: Evaluations; a step sees those up to and at itself, as in the training loop.
    """

    def __init__(self, name: str, curriculum: Curriculum, horizon: int, curve: tuple[Evaluation, ...] = ()) -> None:
        self.name, self.curriculum, self.horizon, self.curve = name, curriculum, horizon, curve
        self._seen: tuple[Evaluation, ...] = ()
        self._answers: dict[tuple[int, int], Asked] = {}

    @property
    def last(self) -> int:
        """The last step that is trained."""
        return self.horizon - 1

    def at(self, step: int, known: int | None = None) -> Asked:
        """Return what is asked for at a step, after its evaluations or the first `known` of the curve.

        Raises:
            InputError: the curriculum fails there or returns something else; says at which step.
        """
        if known is None:
            known = bisect.bisect_right(self.curve, step, key=lambda evaluation: evaluation.step)
        if (step, known) not in self._answers:
            if len(self._seen) != known:  # the same tuple as before lets a curriculum remember what it concluded
                self._seen = self.curve[:known]
            at = Progress(step, self.horizon, self._seen)
            self._answers[step, known] = registry.ask(self.name, self.curriculum, at)
        return self._answers[step, known]

    def unmeasured(self) -> "Schedule":
        """Return the same schedule as if nothing had been measured."""
        return Schedule(self.name, self.curriculum, self.horizon)


@dataclass(frozen=True)
class Firing:
    """At `step` the evaluations so far, the newest being `evaluation`, turn `before` into `after`."""

    step: int
    evaluation: Evaluation
    before: Asked
    after: Asked


def rate(asked: Asked) -> float:
    """Return the masking rate asked for, the mean over a mixture."""
    return _mean(asked, lambda masking: masking.rate)


def _mean(asked: Asked, value: Callable[[Masking], float]) -> float:
    return math.fsum(weight * value(masking) for weight, masking in asked.parts)


def label(masking: Masking) -> str:
    """Return the strategy by name, and whether its NPMI table is shuffled."""
    return f"{masking.strategy.value}{' (placebo)' if masking.placebo else ''}"


def shares(asked: Asked) -> dict[str, float]:
    """Return the share of the batches that each strategy masks; absent ones are left out."""
    found: dict[str, float] = {}
    for weight, masking in asked.parts:
        if weight:
            found[label(masking)] = found.get(label(masking), 0.0) + weight
    return found


def in_words(masking: Masking) -> str:
    """Return a masking as a short phrase; what does not apply to its strategy is left out."""
    threshold = f" from NPMI quantile {masking.min_quantile:.2f}" if masking.min_quantile else ""
    span = "" if masking.strategy.has_own_widths else f", span {masking.span} nt"
    return f"{label(masking)}{threshold}, rate {masking.rate:.1%}{span}"


def asked_in_words(asked: Asked) -> str:
    """Return what is asked for as a short phrase, with the share of each part of a mixture."""
    parts = [(weight, masking) for weight, masking in asked.parts if weight]
    if len(parts) == 1:
        return in_words(parts[0][1])
    return " | ".join(f"{weight:.0%} {in_words(masking)}" for weight, masking in parts)


def even_steps(schedule: Schedule, intervals: int) -> list[int]:
    """Return the first step, the last one, and evenly spaced ones between them."""
    return sorted({min(schedule.last, round(schedule.horizon * part / intervals)) for part in range(intervals + 1)})


def trace(schedule: Schedule) -> dict[int, Asked]:
    """Return what is asked for at some thousand steps, ascending: even ones, evaluations, and around every jump."""
    before = {e.step: known for known, e in enumerate(schedule.curve) if e.step <= schedule.last}
    found = {}
    for step in sorted({*even_steps(schedule, _POINTS), *before}):
        if step in before:  # for `firings`; asked in this order, each history is looked through once
            schedule.at(step, before[step])
        found[step] = schedule.at(step)
    vectors = {step: _vector(asked) for step, asked in found.items()}
    ranges = np.ptp(np.stack(list(vectors.values())), axis=0)
    limit = np.where(ranges > 0, _JUMP / _POINTS * ranges, np.inf)
    ordered = list(found)
    pending = list(itertools.pairwise(ordered))
    while pending:
        low, high = pending.pop()
        if high - low > 1 and (np.abs(vectors[high] - vectors[low]) > limit).any():
            middle = (low + high) // 2
            found[middle] = schedule.at(middle)
            vectors[middle] = _vector(found[middle])
            pending += [(low, middle), (middle, high)]
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class Switch:
    """At `step` a curriculum asks for something quite different than one step before; `words` says what, and why."""

    step: int
    words: str


def switches(schedule: Schedule) -> list[Switch]:
    """Return the steps at which a schedule jumps by itself, or because of what was measured."""
    traced = trace(schedule)
    fired = {firing.step: firing.evaluation for firing in firings(schedule, traced)}
    vectors = np.stack([_vector(asked) for asked in traced.values()])
    ranges = np.ptp(vectors, axis=0)
    jumps = (np.abs(np.diff(vectors, axis=0)) > np.maximum(_SWITCH * ranges, _ROUNDING)).any(axis=1)
    found = []
    for jumps_here, (before, step) in zip(jumps, itertools.pairwise(traced), strict=True):
        if jumps_here and step == before + 1:
            why = f", at perplexity {fired[step].perplexity:,.4g}" if step in fired else ""
            words = f"{asked_in_words(traced[before])}<br>then {asked_in_words(traced[step])}"
            found.append(Switch(step, f"step {step:,}{why}:<br>{words}"))
    return found


def _vector(asked: Asked) -> NDArray[np.float64]:
    """Return the numbers in which a jump shows."""
    of_strategy = dict.fromkeys(Strategy, 0.0)
    for weight, masking in asked.parts:
        of_strategy[masking.strategy] += weight
    means = (
        rate(asked),
        _mean(asked, lambda masking: masking.span),
        _mean(asked, lambda masking: masking.min_quantile),
        _mean(asked, lambda masking: masking.placebo > 0),
    )
    return np.array([*means, *of_strategy.values()])


def firings(schedule: Schedule, traced: dict[int, Asked]) -> list[Firing]:
    """Return the steps at which the loss curve changes what is asked for, in a way that progress alone does not.

    Mostly this is the step of an evaluation: the same step is asked about with and without it. A curriculum may
    also act on an evaluation later; then it is the first step at which having measured makes a difference.
    """
    if not schedule.curve:
        return []
    found = {}
    for known, evaluation in enumerate(schedule.curve):
        if evaluation.step > schedule.last:
            break
        before, after = schedule.at(evaluation.step, known), schedule.at(evaluation.step, known + 1)
        if before != after:
            found[evaluation.step] = Firing(evaluation.step, evaluation, before, after)
    step = _onset(schedule, list(traced))
    if step is not None and step not in found:
        newest = [evaluation for evaluation in schedule.curve if evaluation.step <= step][-1]
        found[step] = Firing(step, newest, schedule.unmeasured().at(step), schedule.at(step))
    return [found[step] for step in sorted(found)]


def _onset(schedule: Schedule, steps: list[int]) -> int | None:
    """Return the first step at which the schedule differs from that without evaluations, if there is one."""
    alone = schedule.unmeasured()

    def differs(step: int) -> bool:
        return schedule.at(step) != alone.at(step)

    agreed = -1  # no step before the first one differs
    for step in steps:
        if differs(step):
            between = range(agreed + 1, step + 1)
            return between[bisect.bisect_left(between, True, key=differs)]
        agreed = step
    return None
