"""Which configurations of a search get more seeds, and when there are enough of them."""

import json
from pathlib import Path

import pandas as pd

from study import tasks
from study.costs import costs
from study.evidence.effects import Effect, effect
from study.runs import Run, default_run
from study.spec.search import ReplicationSpec
from study.spec.study import CONTROL, StudySpec
from study.trials.messages import COST, OBJECTIVE


def promising(spec: StudySpec, rows: pd.DataFrame, folder: Path) -> list[Run]:
    """Return the configurations that came to the longest budget and deserve more seeds, the best first.

    By dev scores, as the search goes. Where it weighs a cost as well, only what nothing dominates is among them.
    """
    if not spec.search.trials:
        return []
    longest = max(spec.pretraining.budgets)
    rows = rows[(rows["seed"] == 0) & (rows["budget"] == longest)]
    found = {str(run): tasks.reported(spec, own, longest) for run, own in rows.groupby("run")}
    undominated = [run for run, own in found.items() if not any(_dominates(other, own) for other in found.values())]
    best = sorted(undominated if spec.search.cost else found, key=lambda run: (-found[run][OBJECTIVE], run))
    chosen = best[: spec.replication.promising]
    return [Run(**json.loads((folder / "runs" / run / "run.json").read_text())) for run in chosen]


def _dominates(one: dict[str, float], other: dict[str, float]) -> bool:
    score, cost = one[OBJECTIVE] - other[OBJECTIVE], other.get(COST, 0.0) - one.get(COST, 0.0)
    return score >= 0 and cost >= 0 and score + cost > 0


def repeated(chosen: list[Run], seeds: range) -> list[Run]:
    """Return these configurations under other seeds."""
    return [Run(**{**run.to_dict(), "role": "replicate", "seed": seed}) for run in chosen for seed in seeds]


def compared(spec: StudySpec, chosen: list[Run]) -> list[Run]:
    """Return what is compared with the control: what the search found, and what `grid` names."""
    control = default_run(spec, CONTROL, "control").key
    grid = [default_run(spec, name, "grid") for name in spec.every_seed()]
    return list({run.key: run for run in [*chosen, *grid] if run.key != control}.values())


def against_control(spec: StudySpec, rows: pd.DataFrame, run: Run) -> Effect | None:
    """Return how much better a configuration is than the control on dev, at the longest budget; None without pairs.

    Dev, since it decides how many more seeds there are: test scores are for the verdict.
    """
    ours, control = (_dev(spec, rows, one) for one in (run, default_run(spec, CONTROL, "control")))
    paired = (ours - control).dropna(axis="index", how="all").dropna(axis="columns")
    return effect(paired.to_numpy()) if paired.size > 1 else None


def _dev(spec: StudySpec, rows: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Return dev scores in full of one configuration, (tasks, seeds), as means over repetitions."""
    keys = {Run(**{**run.to_dict(), "seed": int(seed)}).key for seed in rows["seed"].unique()}
    own = rows[rows["run"].isin(keys) & (rows["budget"] == max(spec.pretraining.budgets))]
    scored: pd.DataFrame = tasks.scores(spec, own, "dev").pivot_table("value", "task", "seed", aggfunc="mean")
    return scored


def further(spec: StudySpec, rows: pd.DataFrame, others: list[Run], seed: int) -> tuple[list[Run], str]:
    """Return what runs under one more seed, the control included, and why, in words; nothing where there are enough.

    It is asked whether the intervals are narrow, never whether they leave out zero: who stops at the first interval
    that does finds effects where there are none.
    """
    rule = spec.replication
    if not others or rule.most_seeds is None:
        return [], ""
    effects = {run.key: against_control(spec, rows, run) for run in others}
    known = f"after {seed} seeds, 95 % intervals of differences to `{CONTROL}`: " + ", ".join(
        f"{run.curriculum} {_width(effects[run.key])}" for run in others
    )
    vague = [run for run in others if (found := effects[run.key]) is None or found.half_width > rule.half_width]
    if not vague:
        return [], f"{known}; these are narrow enough (±{rule.half_width:g})"
    if seed >= rule.most_seeds:
        return [], f"{known}; not narrow enough (±{rule.half_width:g}), but replication.most_seeds is reached"
    if spent := _overspent(spec, rows, rule):
        return [], f"{known}; not narrow enough (±{rule.half_width:g}), but {spent}"
    control = default_run(spec, CONTROL, "control", seed)
    return [control, *repeated(vague, range(seed, seed + 1))], f"{known}; one more seed (asked: ±{rule.half_width:g})"


def _width(found: Effect | None) -> str:
    return "unknown" if found is None else f"±{found.half_width:.3f}"


def _overspent(spec: StudySpec, rows: pd.DataFrame, rule: ReplicationSpec) -> str:
    """Return what has been spent, if that is all there is."""
    used = costs(spec, rows)
    for name, limit in (("worker_hours", rule.worker_hours), ("money", rule.money)):
        amount = getattr(used, name)
        if limit is not None and amount is not None and amount >= limit:
            return f"{amount:.3g} {name} of {limit:g} are spent"
    return ""
