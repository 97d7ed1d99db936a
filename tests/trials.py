"""Trials of a search as rows of a store, small enough to check by hand."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from study.evidence.summary import Summary, sum_up
from study.folder import create_folder
from study.provenance import Provenance
from study.spec.files import parse
from study.spec.study import StudySpec
from study.store import PRETRAINING, Row
from tests.studies import MINI

SEARCH = {**MINI["search"], "space": {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}}}
TASK = "promoters_ecoli"


def spec_of(results: Path, **sections: Any) -> StudySpec:
    """Return a study with budgets of 2, 4 and 6 steps, whose learning rate is searched from 0.001 to 0.1."""
    content = {**json.loads(json.dumps(MINI)), "search": SEARCH, **sections, "results": str(results)}
    return create_folder(parse(content, "test"))


def trial(
    run: str,
    curriculum: str,
    scores: Mapping[int, float],
    parameters: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    role: str = "search",
    costs: Mapping[str, float] | None = None,
    tasks: tuple[str, ...] = (TASK,),
) -> pd.DataFrame:
    """Return the rows of one run: by budget its dev score, on test 0.1 less; 10 FLOPs a step, or what costs say."""
    rows = []
    for budget, score in scores.items():
        common = ("mini", run, role, curriculum, json.dumps(parameters or {}), seed, budget, 6, "trunk")
        for task in tasks:
            for split, value in (("dev", score), ("test", score - 0.1)):
                rows.append(Row(*common, "full", task, 0, split, "mcc", value, 1.0))
        taken = {} if not budget else {"flops": 10.0 * budget, "validation_loss": 1.0} if costs is None else costs
        for name, value in taken.items():
            rows.append(Row(*common, PRETRAINING, PRETRAINING, 0, "validation", name, value, 0.0))
    return pd.DataFrame([asdict(row) for row in rows])


def summed(spec: StudySpec, *runs: pd.DataFrame) -> Summary:
    """Sum runs up."""
    return sum_up(spec, spec.folder(), pd.concat(runs, ignore_index=True), Provenance({}))
