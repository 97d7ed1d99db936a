"""What the rows of a study say: one line a curriculum, and plain sentences that claim no more than was shown."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from curricula.placebo import PREFIX
from study import tasks
from study.collapses import Collapse, collapses
from study.collapses import sentence as collapse_sentence
from study.costs import Costs, Speed, costs, speed
from study.provenance import Provenance
from study.spec import CONTROL, RANDOM_INIT, StudySpec
from study.spec_evaluation import CONTROLS
from study.store import Store
from trainers.settings import Budget

# with fewer pairs even equal signs throughout are no evidence at the 5 % level, and one seed is one initialisation
_LEAST_PAIRS, _LEAST_SEEDS = 6, 2


@dataclass(frozen=True)
class Scored:
    """Test scores at one budget over seeds, tasks and repetitions: mean of the tasks' means, spread, how many."""

    mean: float
    spread: float
    values: int


@dataclass(frozen=True)
class CurriculumLine:
    """The best configuration of one curriculum.

    Attributes:
        parameters: Its arguments and searched numbers.
        runs: Keys of the runs with this configuration, one a seed.
        at: Scores by budget; a budget that ASHA did not let it reach is absent.
        loss: Validation loss by budget, nats a masked token, mean over seeds.
        trials: Configurations of this curriculum that were tried.
        costs: Of all its trials.
        speed: Of its first run; None without pretraining.
        by_task: Mean test score at its largest budget, by task.
    """

    curriculum: str
    parameters: dict[str, Any]
    runs: list[str]
    at: dict[int, Scored]
    loss: dict[int, float]
    trials: int
    costs: Costs
    speed: Speed | None
    by_task: dict[str, float]

    @property
    def is_pretrained(self) -> bool:
        """Whether this study pretrained it; otherwise it is the initial model or a baseline."""
        return max(self.at) > 0


@dataclass(frozen=True)
class Comparison:
    """Pretrained against random initialisation: paired test differences with a 95 % t interval."""

    curriculum: str
    budget: int
    difference: float
    low: float
    high: float
    pairs: int
    seeds: int


@dataclass(frozen=True)
class Summary:
    """All that table and report show.

    `stopped`: curricula without a score in full, and the budget at which the search stopped the last of their trials.
    """

    spec: StudySpec
    lines: list[CurriculumLine]
    provenance: Provenance
    comparisons: list[Comparison]
    failures: dict[str, str]
    has_cooldown: bool
    collapses: list[Collapse]
    stopped: dict[str, int]

    @property
    def best(self) -> CurriculumLine | None:
        """The pretrained line with the best dev score at the longest budget; lines are sorted by it."""
        pretrained = [line for line in self.lines if line.is_pretrained]
        return pretrained[0] if pretrained else None


def summarise(spec: StudySpec, folder: Path) -> Summary:
    """Read the rows of a study and sum them up."""
    rows = Store(folder).rows()
    chosen, stopped = [], {}
    for curriculum, own in rows.groupby("curriculum"):
        key = _best_run(spec, own)
        line = _line(spec, str(curriculum), own, key)
        if not line.at:  # the search stopped it where it goes by cheaper scores
            stopped[str(curriculum)] = int(own["budget"].max())
            continue
        chosen.append(((max(line.at), _dev(spec, own[own["run"] == key])), line))
    lines = [line for _, line in sorted(chosen, key=lambda entry: entry[0], reverse=True)]
    initial = next((line for line in lines if line.curriculum == RANDOM_INIT), None)
    comparisons = [_against(spec, rows, line, initial) for line in lines if initial and line.is_pretrained]
    return Summary(
        spec=spec,
        lines=lines,
        provenance=Provenance.of(folder),
        comparisons=[comparison for comparison in comparisons if comparison],
        failures=_failures(folder),
        has_cooldown=bool((rows["branch"] == "cooldown").any()),
        collapses=collapses(rows),
        stopped=stopped,
    )


def _dev(spec: StudySpec, rows: pd.DataFrame) -> float:
    """Dev score at the largest budget that these rows have."""
    return tasks.objective(spec, rows, int(rows["budget"].max()))


def _best_run(spec: StudySpec, rows: pd.DataFrame) -> str:
    """Chosen on dev scores of the first seed that has any, among the runs that came furthest."""
    first = rows[rows["seed"] == rows["seed"].min()]
    furthest = first[first["budget"] == first["budget"].max()]
    return str(max(sorted(set(furthest["run"])), key=lambda key: _dev(spec, furthest[furthest["run"] == key])))


def _line(spec: StudySpec, curriculum: str, rows: pd.DataFrame, key: str) -> CurriculumLine:
    parameters = rows[rows["run"] == key]["parameters"].iloc[0]
    same = rows[rows["parameters"] == parameters]
    test = tasks.scores(spec, same, "test")
    at = {}
    for budget, values in test.groupby("budget"):
        spread = float(values["value"].std(ddof=1)) if len(values) > 1 else 0.0
        at[int(str(budget))] = Scored(float(values.groupby("task")["value"].mean().mean()), spread, len(values))
    losses = same[same["metric"] == "validation_loss"].groupby("budget")["value"].mean()
    return CurriculumLine(
        curriculum=curriculum,
        parameters=json.loads(parameters),
        runs=sorted(set(same["run"])),
        at=at,
        loss={int(str(budget)): float(value) for budget, value in losses.items()},
        trials=len(set(rows[rows["seed"] == 0]["run"])),
        costs=costs(spec, rows),
        speed=speed(rows, key),
        by_task={} if test.empty else _by_task(test[test["budget"] == test["budget"].max()]),
    )


def _by_task(test: pd.DataFrame) -> dict[str, float]:
    return {str(name): float(value) for name, value in test.groupby("task")["value"].mean().items()}


def _against(spec: StudySpec, rows: pd.DataFrame, line: CurriculumLine, initial: CurriculumLine) -> Comparison | None:
    """Pair by seed, task and repetition, at the largest budget of the line."""
    budget = max(line.at)
    test = tasks.scores(spec, rows, "test").set_index(["seed", "task", "repetition"])
    ours = test[test["run"].isin(line.runs) & (test["budget"] == budget)]["value"]
    theirs = test[test["run"].isin(initial.runs)]["value"]
    paired = (ours - theirs).dropna()
    differences = paired.to_numpy()
    if len(differences) < 2:
        return None
    mean = float(differences.mean())
    error = float(stats.sem(differences))
    half = error * float(stats.t.ppf(0.975, len(differences) - 1))
    low, high = mean - half, mean + half
    seeds = len({seed for seed, *_ in paired.index})
    return Comparison(line.curriculum, budget, mean, low, high, len(differences), seeds)


def _failures(folder: Path) -> dict[str, str]:
    found = sorted((folder / "runs").glob("*/failure.json"))
    return {path.parent.name: json.loads(path.read_text())["reason"] for path in found}


def scored_at(summary: Summary) -> str:
    """Return in words where on the way of a training its scores come from."""
    pretraining = summary.spec.pretraining
    if summary.has_cooldown:
        return "scores after a cool-down to each budget"
    if pretraining.horizon == "longest":
        return f"scores on the way to {max(pretraining.budgets):,} steps"
    return "scores of a run of its own for each budget"


def sentences(summary: Summary) -> list[str]:
    """Return what the study shows, in words; a curriculum is never said to help without its controls."""
    said = []
    best = summary.best
    metric = summary.spec.evaluation.metric_in_words()
    if best is not None and best.loss:
        budget = max(best.loss)
        text = f"After {budget:,} steps under `{best.curriculum}` the validation loss is {best.loss[budget]:.2f} nats"
        guess = summary.provenance.unigram_loss
        if guess is not None:
            text += f" a masked token; guessing from k-mer frequencies alone gives {guess:.2f}"
        said.append(text + ".")
    said += [_comparison_sentence(comparison, metric) for comparison in summary.comparisons]
    said += _floor_sentences(summary)
    said.append(
        f"No claim is made that one curriculum beats another. With {summary.spec.seeds} seed(s) for the best and for "
        f"the `{CONTROL}` control only, and without the controls for {' and '.join(_missing_controls(summary.spec))}, "
        "differences between curricula in this study are not evidence."
    )
    said += [
        f"`{name}` has no score in full: the search, which goes by "
        f"{summary.spec.evaluation.fidelity_at(budget)} scores there, stopped it at {budget:,} steps."
        for name, budget in summary.stopped.items()
    ]
    collapsed = collapse_sentence(summary.collapses)
    if collapsed:
        said.append(collapsed)
    leaks = summary.provenance.leak_sentence()
    if leaks:
        said.append(leaks)
    if summary.failures:
        said.append(f"{len(summary.failures)} run(s) diverged and have no score: {', '.join(summary.failures)}.")
    return said


def _floor_sentences(summary: Summary) -> list[str]:
    """Return on which tasks the best pretrained model is above what needs no pretraining, if that was scored."""
    best = summary.best
    floors = [line for line in summary.lines if line.curriculum in CONTROLS]
    if best is None or not floors:
        return []
    said = []
    for floor in sorted(floors, key=lambda line: line.curriculum):
        shared = sorted(best.by_task.keys() & floor.by_task.keys())
        below = [task for task in shared if best.by_task[task] <= floor.by_task[task]]
        text = (
            f"The best pretrained model (`{best.curriculum}`) is above `{floor.curriculum}`, which needs no pretraining"
        )
        said.append(f"{text}, on {len(shared) - len(below)} of {len(shared)} task(s)" + _not_on(below) + ".")
    return said


def _not_on(names: list[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")
    return f"; it has learnt nothing that counts on {shown}"


def _missing_controls(spec: StudySpec) -> list[str]:
    """Return which other explanations of a difference the study leaves open."""
    missing = ["span length"]
    if not any(spec.behind(name)[0].startswith(PREFIX) for name in spec.curricula):
        missing.append("shuffled PMI")
    if spec.pretraining.masking is not Budget.MATCHED:
        missing.append("masking budget")
    return missing


def _comparison_sentence(c: Comparison, metric: str) -> str:
    trained = f"Pretraining under `{c.curriculum}` for {c.budget:,} steps"
    difference = f"{c.difference:+.3f} {metric}"
    counted = f"{c.pairs} pairs, {c.seeds} seed(s)"
    if c.pairs < _LEAST_PAIRS or c.seeds < _LEAST_SEEDS:
        return f"{trained} against random initialisation: {difference}, from too little to tell ({counted})."
    verb = "beat" if c.low > 0 else "was worse than" if c.high < 0 else "was not shown to differ from"
    return (
        f"{trained} {verb} random initialisation "
        f"({difference}, 95 % interval {c.low:+.3f} to {c.high:+.3f}, {counted})."
    )
