"""Score rows as a Store gives them, from tables small enough to check by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.evidence.published import published

Table = Mapping[str, Sequence[float | None]]  # by task: a score a seed; None where it is missing


def scored(curriculum: str, budget: int, table: Table, **fields: Any) -> pd.DataFrame:
    """Rows of one curriculum at one budget, one repetition a seed."""
    rows = [
        {"task": task, "seed": seed, "value": value}
        for task, values in table.items()
        for seed, value in enumerate(values)
        if value is not None
    ]
    return _with_fields(pd.DataFrame(rows), curriculum=curriculum, budget=budget, **fields)


def costs(curriculum: str, budget: int, seed: int = 0, **values: float) -> pd.DataFrame:
    """Rows of the pretraining of one run up to a budget."""
    rows = pd.DataFrame([{"metric": name, "value": value} for name, value in values.items()])
    kind = {"task": "pretraining", "fidelity": "pretraining", "split": "validation"}
    return _with_fields(rows, curriculum=curriculum, budget=budget, seed=seed, **kind)


def _with_fields(rows: pd.DataFrame, **fields: Any) -> pd.DataFrame:
    common = {
        "study": "by hand",
        "role": "grid",
        "parameters": "{}",
        "branch": "trunk",
        "fidelity": "full",
        "split": "test",
        "metric": "mcc",
        "repetition": 0,
    }
    whole = {**common, **fields}
    own = rows.assign(**{name: value for name, value in whole.items() if name not in rows.columns})
    return own.assign(
        run=[f"{curriculum}-s{seed}" for curriculum, seed in zip(own["curriculum"], own["seed"], strict=True)]
    )


def of_paper(model: str) -> pd.DataFrame:
    """The published MCC of one model as rows of one seed; a curriculum is a masking, a budget its steps."""
    rows = published()
    own = rows[(rows["model"] == model) & rows["steps"].notna()]
    plain = pd.DataFrame({"curriculum": own["masking"], "budget": own["steps"].astype(int), "task": own["task"]})
    return _with_fields(plain.assign(value=own["value"] / 100, seed=0))
