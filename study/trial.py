"""One trial: a Tune function that starts one DDP group for the trial's whole life and forwards its reports."""

import time
from pathlib import Path
from typing import Any

from study.runs import Run, run_of
from study.spec import StudySpec
from study.spec_evaluation import CONTROLS

_GROUP_TIMEOUT_S = 1800  # a collective that waits longer has lost a worker


def run_trial(config: dict[str, Any], spec_json: str, folder: str) -> None:
    """Train and score one run; returns when all its budgets are reported."""
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
    from ray.tune.integration.ray_train import TuneReportCallback

    spec = StudySpec.model_validate_json(spec_json)
    run = run_of(config, spec)
    if run.role == "baseline" and run.curriculum in CONTROLS:
        _score_here(spec, run, Path(folder))
        return
    cluster = spec.cluster
    resources = {"CPU": cluster.cpus_per_worker}
    if cluster.gpus_per_worker:
        resources["GPU"] = cluster.gpus_per_worker
    trainer = TorchTrainer(
        train_worker,
        train_loop_config={"spec": spec_json, "run": run.to_dict(), "folder": folder},
        torch_config=TorchConfig(backend="nccl" if cluster.gpus_per_worker else "gloo", timeout_s=_GROUP_TIMEOUT_S),
        scaling_config=ScalingConfig(
            num_workers=cluster.workers, use_gpu=cluster.gpus_per_worker > 0, resources_per_worker=resources
        ),
        run_config=RunConfig(
            name=f"{run.key}-{time.time_ns()}",
            storage_path=str(Path(folder) / "scratch" / "train"),
            failure_config=FailureConfig(
                max_failures=cluster.max_failures, controller_failure_limit=cluster.max_failures
            ),
            callbacks=[TuneReportCallback()],
        ),
    )
    trainer.fit()


def _score_here(spec: StudySpec, run: Run, folder: Path) -> None:
    """Score what needs no pretrained model, in this process: a group of workers takes longer to start."""
    import torch
    from ray import tune

    from study import baselines
    from study.scorer import set_threads
    from trainers.workers import Workers

    set_threads(spec)
    tune.report(baselines.score(spec, run, folder, Workers(0, 1, torch.device("cpu"))))


def train_worker(config: dict[str, Any]) -> None:
    """Hand over to `study.worker`, which loads torch and transformers; the trial's own process need not."""
    from study.worker import work

    work(StudySpec.model_validate_json(config["spec"]), Run(**config["run"]), Path(config["folder"]))
