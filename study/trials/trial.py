"""One trial: a Tune function that has a run done and forwards what it reports."""

from pathlib import Path
from typing import Any

from study.cluster import disk
from study.runs import Run, run_of
from study.spec.evaluation import CONTROLS
from study.spec.study import StudySpec
from study.trials.messages import COST, FULL, OBJECTIVE


def run_trial(config: dict[str, Any], spec_json: str, folder: str) -> None:
    """Train and score one run; returns when all its budgets are reported."""
    from ray import tune

    from study.trials.group import Group

    spec = StudySpec.model_validate_json(spec_json)
    run = run_of(config, spec)
    try:
        if run.role == "baseline" and run.curriculum in CONTROLS:
            _score_here(spec, run, Path(folder))
            return
        for result in Group.kept(spec_json, Path(folder)).do(run):
            tune.report(result)
    except Exception as error:
        if not disk.is_full(error):
            raise
        # a report needs no disk, and Tune would try again whatever is raised; the driver ends the study instead
        tune.report({OBJECTIVE: 0.0, COST: 0.0, "budget": max(run.budgets(spec)), "run": run.key, FULL: True})


def _score_here(spec: StudySpec, run: Run, folder: Path) -> None:
    """Score what needs no pretrained model, in this process: a group of workers takes longer to start."""
    import torch
    from ray import tune

    from study.trials import baselines
    from study.trials.scorer import set_threads
    from trainers.workers import Workers

    set_threads(spec)
    tune.report(baselines.score(spec, run, folder, Workers(0, 1, torch.device("cpu"))))
