"""What a summary holds, as the numbers of `report.json`."""

import math
from pathlib import Path

from study.evidence.claims import Claim
from study.evidence.summary import CurriculumLine, Summary
from study.evidence.time_to_target import TimeToTarget
from study.evidence.verdict import Verdict
from study.report.numbers import (
    FORMAT,
    ClaimNumbers,
    Comparison,
    CostToTarget,
    CurriculumNumbers,
    Leak,
    Numbers,
    Score,
)
from study.report.sentences import scored_at, sentences
from study.report.tables import places


def numbers(summary: Summary, folder: Path) -> Numbers:
    """Return the numbers of a study's report.

    Args:
        summary: Of the study.
        folder: Where it lives.
    """
    evaluation, found, provenance = summary.spec.evaluation, summary.findings, summary.provenance
    return Numbers(
        format=FORMAT,
        study=summary.spec.name,
        about=summary.spec.about,
        metric=evaluation.metric_in_words(),
        tasks={task.name: str(evaluation.metric_of(task.name)) for task in evaluation.tasks},
        budgets=summary.spec.pretraining.budgets,
        scored_at=scored_at(summary),
        sentences=sentences(summary),
        notes=summary.notes,
        scores=[score for line in summary.lines for score in _scores(line)],
        curricula=[_curriculum(line) for line in summary.lines],
        verdicts=[_comparison(verdict) for verdict in found.verdicts],
        claims=[_claim(claim) for claim in found.claims],
        times=[cost for time in found.times for cost in _costs(time)],
        worker_hours=summary.usage.costs.worker_hours,
        idle=summary.usage.idle,
        leaks=[Leak(line.task, line.searched, line.found) for line in provenance.leaks],
        leaks_excluded=provenance.excluded,
        failures=summary.failures,
        places=places(folder),
    )


def _scores(line: CurriculumLine) -> list[Score]:
    costs = ("masked_tokens", "flops", "gpu_hours", "worker_hours", "money")
    return [
        Score(
            line.curriculum,
            budget,
            score.mean,
            score.spread if score.values > 1 else math.nan,
            score.values,
            *(line.training.get(budget, {}).get(cost, math.nan) for cost in costs),
        )
        for budget, score in line.at.items()
    ]


def _curriculum(line: CurriculumLine) -> CurriculumNumbers:
    return CurriculumNumbers(
        curriculum=line.curriculum,
        is_pretrained=line.is_pretrained,
        parameters=line.parameters,
        seeds=len(line.runs),
        tried=line.trials,
        by_task=line.by_task,
        loss=line.loss,
        seconds=line.costs.seconds,
        worker_hours=line.costs.worker_hours,
        gpu_hours=line.costs.gpu_hours,
        flops=line.costs.flops,
        money=line.costs.money,
    )


def _comparison(verdict: Verdict) -> Comparison:
    effect = verdict.effect
    return Comparison(
        a=verdict.a.curriculum,
        a_budget=verdict.a.budget,
        b=verdict.b.curriculum,
        b_budget=verdict.b.budget,
        outcome=verdict.outcome.value,
        difference=effect.mean,
        low=effect.low,
        high=effect.high,
        p=verdict.p,
        p_holm=verdict.p_holm,
        standardised=verdict.standardised,
        superiority=verdict.superiority,
        detectable=verdict.detectable,
        more_seeds=verdict.more_seeds,
        worth=verdict.worth,
        tasks=effect.tasks,
        seeds=effect.seeds,
        left_out=verdict.left_out,
    )


def _claim(claim: Claim) -> ClaimNumbers:
    return ClaimNumbers(
        curriculum=claim.arm.curriculum,
        budget=claim.arm.budget,
        supports=claim.supports.value,
        there=[control.value for control in claim.there],
        missing=[control.value for control in claim.missing],
        sentence=claim.sentence,
    )


def _costs(time: TimeToTarget) -> list[CostToTarget]:
    return [
        CostToTarget(
            time.curriculum,
            time.target,
            cost,
            reach.at_least,
            reach.at_most,
            time.earliest[cost].at_least,
            time.latest[cost].at_most,
        )
        for cost, reach in time.reached.items()
    ]
