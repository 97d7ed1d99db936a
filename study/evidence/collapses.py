"""Fine-tunings that ended near chance where the same pretraining, fine-tuned again, did not."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import pandas as pd

from study.spec.evaluation import FULL
from study.store import PRETRAINING

COLLAPSED, HELD = 0.02, 0.2  # test MCC: below the one, where another is above the other
_SAME = ["study", "curriculum", "parameters", "budget", "branch", "fidelity", "task"]
_SHOWN = 5


@dataclass(frozen=True)
class Collapse:
    """One collapsed fine-tuning.

    Attributes:
        budget: Optimiser steps of pretraining before it.
        fidelity: How it was scored: `full`, or the name of a cheap way.
        value: Its test MCC.
        best: The best test MCC of another seed or repetition.
    """

    run: str
    curriculum: str
    budget: int
    fidelity: str
    task: str
    seed: int
    repetition: int
    value: float
    best: float


def collapses(rows: pd.DataFrame) -> list[Collapse]:
    """Return the fine-tunings with a test MCC below 0.02 where another seed or repetition is above 0.2.

    Always by MCC, which is stored of every task: near 0 it means chance, which accuracy and macro-F1 do not.

    Args:
        rows: Rows of one study or more, as `Store.rows` gives them. Compared are those that differ in seed and
            repetition alone.
    """
    test = rows[(rows["task"] != PRETRAINING) & (rows["split"] == "test") & (rows["metric"] == "mcc")]
    test = test.assign(best=test.groupby(_SAME)["value"].transform("max"))
    found = test[(test["value"] < COLLAPSED) & (test["best"] > HELD)].sort_values([*_SAME, "seed", "repetition"])
    columns = [field.name for field in fields(Collapse)]
    return [Collapse(**{str(name): value for name, value in row.items()}) for row in found[columns].to_dict("records")]


def sentence(found: Sequence[Collapse]) -> str | None:
    """Return what a reader of the means must know of collapses; None where there is none."""
    if not found:
        return None
    named = "; ".join(_in_words(collapse) for collapse in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return (
        f"{len(found)} fine-tuning(s) collapsed: a test MCC below {COLLAPSED} where another seed or repetition of the "
        f"same configuration and budget is above {HELD} ({named}{more}). Their scores are in the means; they were "
        "neither rerun nor dropped, and nothing is claimed about what the means would be without them."
    )


def _in_words(collapse: Collapse) -> str:
    way = "" if collapse.fidelity == FULL else f" by `{collapse.fidelity}`"
    return (
        f"`{collapse.curriculum}` at {collapse.budget:,} steps on {collapse.task}{way}, seed {collapse.seed}, "
        f"repetition {collapse.repetition}: {collapse.value:.3f}, another {collapse.best:.3f}"
    )
