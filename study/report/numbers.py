"""The numbers of a report, for machines: plain dataclasses whose fields are the keys of `report.json`.

JSON has no infinity and no "not a number": each becomes null, and the field says below what null means.
"""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

FORMAT = 1  # of the keys; it grows when one goes, or means something else


@dataclass(frozen=True)
class Score:
    """Test scores of the best configuration of a curriculum at one budget.

    Attributes:
        budget: Optimiser steps; 0 without pretraining.
        mean: Of the tasks' means.
        spread: Standard deviation, over seeds and repetitions, of the mean over tasks; null of one.
        values: How many seeds and repetitions.
        masked_tokens: Of one training up to the budget, mean over seeds; null where it was not recorded.
        flops: The same, model FLOPs.
        gpu_hours: The same; 0 on CPUs.
        worker_hours: The same.
        money: The same; null where the spec names no price.
    """

    curriculum: str
    budget: int
    mean: float
    spread: float
    values: int
    masked_tokens: float
    flops: float
    gpu_hours: float
    worker_hours: float
    money: float


@dataclass(frozen=True)
class CurriculumNumbers:
    """One curriculum, a control or a baseline.

    Attributes:
        parameters: Of its best configuration, chosen on dev scores.
        seeds: Runs of that configuration.
        tried: Configurations.
        by_task: Mean test score at its largest budget.
        loss: Validation loss by budget, nats a masked token.
        seconds: Wall time of all its trials, training and scoring.
        worker_hours: Of the same.
        gpu_hours: Of the same.
        flops: Model FLOPs of their training.
        money: Null where the spec names no price.
    """

    curriculum: str
    is_pretrained: bool
    parameters: dict[str, Any]
    seeds: int
    tried: int
    by_task: dict[str, float]
    loss: dict[int, float]
    seconds: float
    worker_hours: float
    gpu_hours: float
    flops: float
    money: float | None


@dataclass(frozen=True)
class Comparison:
    """One curriculum against another.

    Attributes:
        outcome: A value of `verdict.Outcome`.
        difference: Mean over tasks and seeds, in favour of `a` where it is positive.
        low: Lower end of its 95 % interval; null of one pair, which has none.
        high: Upper end; null as `low`.
        p: Of the sign-flip test.
        p_holm: Adjusted for all comparisons of the report.
        standardised: In standard deviations of single differences; null where there is one difference.
        superiority: Share of the pairs that favour `a`, ties by half.
        detectable: True difference that would have been found with a power of 80 %; null where one seed does not tell.
        more_seeds: That would make `worth` detectable; null of one seed, which does not tell, and where none would.
        left_out: Pairs of task and seed outside the full table.
    """

    a: str
    a_budget: int
    b: str
    b_budget: int
    outcome: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    standardised: float
    superiority: float
    detectable: float
    more_seeds: float
    worth: float
    tasks: int
    seeds: int
    left_out: int


@dataclass(frozen=True)
class ClaimNumbers:
    """What may be said of a curriculum.

    Attributes:
        supports: A value of `claims.Support`.
        there: Controls that the study has, values of `controls.Control`.
        missing: Controls that it lacks.
        sentence: The claim.
    """

    curriculum: str
    budget: int
    supports: str
    there: list[str]
    missing: list[str]
    sentence: str


@dataclass(frozen=True)
class CostToTarget:
    """What a curriculum needs to reach the target, in one kind of cost.

    Attributes:
        target: In words.
        cost: steps, masked_tokens, flops, gpu_hours, worker_hours or money.
        at_least: The cost where the curve crosses the target; else the least that it can be.
        at_most: The same as `at_least` where it crosses; null where the target is not reached.
        low: Lower end of the 95 % interval.
        high: Upper end; null where it has none.
    """

    curriculum: str
    target: str
    cost: str
    at_least: float
    at_most: float
    low: float
    high: float


@dataclass(frozen=True)
class Leak:
    """Test sequences of a task that stand in the training DNA; `searched` were looked for."""

    task: str
    searched: int
    found: int


@dataclass(frozen=True)
class Numbers:
    """All of a report.

    Attributes:
        format: Of the keys, see `FORMAT`.
        metric: By the name that a reader knows.
        tasks: By name: the metric that is compared of each.
        scored_at: Where on the way of a training scores come from.
        sentences: What the study shows, in words.
        notes: What of the study is not in all this since it could not be read.
        worker_hours: Of all trials.
        idle: Share of the held time in which a worker did nothing; null where that is not known.
        leaks: Empty where the check was not made.
        leaks_excluded: Whether such sequences were kept out of the training samples.
        failures: By run: why it has no score.
        places: Where everything is, a line each.
    """

    format: int
    study: str
    about: str
    metric: str
    tasks: dict[str, str]
    budgets: list[int]
    scored_at: str
    sentences: list[str]
    notes: list[str]
    scores: list[Score]
    curricula: list[CurriculumNumbers]
    verdicts: list[Comparison]
    claims: list[ClaimNumbers]
    times: list[CostToTarget]
    worker_hours: float
    idle: float | None
    leaks: list[Leak]
    leaks_excluded: bool
    failures: dict[str, str]
    places: list[str]

    def json(self) -> str:
        """Return all of it as JSON."""
        return json.dumps(finite(dataclasses.asdict(self)), indent=1, allow_nan=False)


def finite(value: Any) -> Any:
    """Return plain data with null in place of every number that JSON does not have."""
    if isinstance(value, dict):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
