"""Tasks against curricula, on rows small enough to check by hand."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from study.figures.task_map import cells, heat_map, width
from study.spec.study import StudySpec
from tests.studies import MINI
from tests.trials import spec_of, summed, trial

NAMES = ("tf/0", "mouse/0", "mine")  # of human DNA; of another species; in no group
EVALUATION: dict[str, Any] = {"root": "/somewhere", "tasks": [{"name": name} for name in NAMES], "baselines": []}


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    curricula = json.loads(json.dumps(MINI["curricula"]))
    return spec_of(tmp_path, evaluation=EVALUATION, curricula={**curricula, "step": {}})


def on(task: str, curriculum: str, *scores: float) -> list[pd.DataFrame]:
    """Return dev scores of one curriculum on a task, one a seed, after 6 steps."""
    return [
        trial(f"{curriculum}-{seed}", curriculum, {6: score}, seed=seed, tasks=(task,))
        for seed, score in enumerate(scores)
    ]


def test_a_cell_is_the_mean_difference_over_the_seeds_that_both_have(spec: StudySpec) -> None:
    """Of seeds 0 and 1: 0.3 and 0.1 on tf/0. `step` has no score on mouse/0, and only seed 0 on tf/0."""
    found = cells(
        summed(
            spec,
            *on("tf/0", "constant", 0.4, 0.6),
            *on("mouse/0", "constant", 0.5, 0.5),
            *on("tf/0", "linear", 0.7, 0.7),
            *on("mouse/0", "linear", 0.4, 0.5),
            *on("tf/0", "step", 0.5),
        )
    )
    assert found is not None
    assert found.budget == 6
    assert found.differences["linear"].to_dict() == pytest.approx(
        {"tf/0": 0.2, "mouse/0": -0.05, "mine": float("nan")}, nan_ok=True
    )
    assert found.differences["step"]["tf/0"] == pytest.approx(0.1)
    assert not found.collapsed.any(axis=None)


def test_collapsed_and_missing_cells_are_apart_and_do_not_stretch_the_scale(spec: StudySpec) -> None:
    """Of `linear`, one of two seeds on mouse/0 ended at 0 where the other has 0.5: a difference of -0.25."""
    figure = heat_map(
        summed(
            spec,
            *on("tf/0", "constant", 0.5, 0.5),
            *on("mouse/0", "constant", 0.6, 0.6),
            *on("tf/0", "linear", 0.7, 0.7),
            *on("mouse/0", "linear", 0.6, 0.1),
        )
    )
    assert figure is not None
    apart, shown = figure.data
    rows = list(shown.y)
    assert rows[:4] == ["<b>human: mean of 1</b>", "tf/0", "<b>other species: mean of 1</b>", "mouse/0"]
    assert rows[4:] == ["<b>further tasks: mean of 1</b>", "mine"]
    words = {row: line[0] for row, line in zip(rows, shown.text, strict=True)}
    assert (words["tf/0"], words["mouse/0"], words["mine"]) == ("+.200", "-.250†", "none")
    coloured = {row: line[0] for row, line in zip(rows, shown.z, strict=True)}
    assert coloured["tf/0"] == pytest.approx(0.2)
    assert pd.isna([coloured["mouse/0"], coloured["mine"]]).all()
    grey = {row: line[0] for row, line in zip(rows, apart.z, strict=True)}
    assert pd.notna([grey["mouse/0"], grey["mine"]]).all()
    assert pd.isna(grey["tf/0"])
    assert (shown.zmin, shown.zmid) == (-shown.zmax, 0)
    assert list(shown.x) == ["linear"]
    assert width(figure) < 300


def test_one_task_or_no_comparison_has_no_picture(spec: StudySpec, tmp_path: Path) -> None:
    assert heat_map(summed(spec, *on("tf/0", "constant", 0.5), *on("mouse/0", "constant", 0.5))) is None
    assert heat_map(summed(spec, *on("tf/0", "linear", 0.5), *on("mouse/0", "linear", 0.5))) is None
    cut = trial("constant-0", "constant", {2: 0.5}, tasks=NAMES)  # the control did not come as far
    assert heat_map(summed(spec, cut, *on("tf/0", "linear", 0.5))) is None
    single = spec_of(tmp_path / "single")
    alone = [trial(f"{name}-0", name, {6: 0.5}) for name in ("constant", "linear")]
    assert heat_map(summed(single, *alone)) is None
