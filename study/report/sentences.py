"""What a summary shows, in plain sentences that claim no more than was shown."""

from study.evidence.collapses import sentence as collapse_sentence
from study.evidence.summary import Summary
from study.evidence.verdict import out_of_reach
from study.spec.evaluation import CONTROLS


def scored_at(summary: Summary) -> str:
    """Return in words where on the way of a training its scores come from."""
    pretraining = summary.spec.pretraining
    if summary.has_cooldown:
        return "scores after a cool-down to each budget"
    if pretraining.horizon == "longest":
        return f"scores on the way to {max(pretraining.budgets):,} steps"
    return "scores of a run of its own for each budget"


def sentences(summary: Summary) -> list[str]:
    """Return what the study shows, in words, the verdict first; none is said to help without its controls."""
    said = [claim.sentence for claim in summary.findings.claims] or [
        "No claim is made that one curriculum beats another: none but controls came to the longest budget."
    ]
    hopeless = out_of_reach(summary.findings.verdicts)
    if hopeless:
        said.append(hopeless)
    best = summary.best
    metric = summary.spec.evaluation.metric_in_words()
    if best is not None and best.loss:
        budget = max(best.loss)
        text = f"After {budget:,} steps under `{best.curriculum}` the validation loss is {best.loss[budget]:.2f} nats"
        guess = summary.provenance.unigram_loss
        if guess is not None:
            text += f" a masked token; guessing from token frequencies alone gives {guess:.2f}"
        said.append(text + ".")
    said += [verdict.sentence(metric) for verdict in summary.findings.initial]
    said += _floor_sentences(summary)
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
        above = f"{len(shared) - len(below)} of {len(shared)} task(s){_not_on(below)}"
        said.append(
            f"The pretrained model that dev scores choose (`{best.curriculum}`) is above `{floor.curriculum}`, "
            f"which needs no pretraining, on {above}."
        )
    return said


def _not_on(names: list[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")
    return f"; it has learnt nothing that counts on {shown}"
