"""What a summary shows, in plain sentences that claim no more than was shown."""

from curricula.placebo import PREFIX
from study.collapses import sentence as collapse_sentence
from study.spec import CONTROL, StudySpec
from study.spec_evaluation import CONTROLS
from study.summary import Comparison, Summary
from trainers.settings import Budget

# with fewer pairs even equal signs throughout are no evidence at the 5 % level, and one seed is one initialisation
_LEAST_PAIRS, _LEAST_SEEDS = 6, 2


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
            text += f" a masked token; guessing from token frequencies alone gives {guess:.2f}"
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
