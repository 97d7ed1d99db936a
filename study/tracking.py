"""MLflow shows what the Parquet rows hold: one parent run a study, one child run a trial, step = budget.

Everything logged is read from the rows, and what MLflow has already is not logged again. So the same call
serves while a study runs, after a crash, and to refill an MLflow that was away.
"""

import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from filelock import FileLock

from study import tasks
from study.provenance import Provenance
from study.spec import StudySpec
from study.spec_evaluation import FULL
from study.store import PRETRAINING, Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

EXPERIMENT = "curriculum-study"
_SHOWN = {
    "validation_loss": "validation/loss",
    "validation_perplexity": "validation/perplexity",
    "validation_accuracy": "validation/accuracy",
    "validation_loss_wide": "validation/loss_wide",
    "tokens_per_second": "speed/tokens_per_second",
    "mfu": "speed/mfu",
    "flops": "cost/flops",
    "worker_hours": "cost/worker_hours",
    "gpu_hours": "cost/gpu_hours",
    "money": "cost/money",
    "peak_memory_bytes": "cost/peak_memory_bytes",
}
_SAMPLING_S = 10
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "GIT_PYTHON_REFRESH": "quiet",
}


def tracking_uri(results: Path) -> str:
    """Return MLFLOW_TRACKING_URI, or the SQLite database that all studies of a results folder share."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{results / 'mlflow.db'}"


class Tracker:
    """Writes one study to MLflow. A server that fails is left alone from then on; nothing is lost by it."""

    def __init__(self, spec: StudySpec, folder: Path, study_id: str, warn: Callable[[str], None]) -> None:
        self._spec, self._folder, self._study_id, self._warn = spec, folder, study_id, warn
        self._store = Store(folder)
        self._uri = tracking_uri(folder.parent)
        self._client: MlflowClient | None = None
        self._experiment = self._parent = ""
        self._monitor: SystemMetricsMonitor | None = None
        self.is_down = False

    def start(self) -> None:
        """Open the parent run and log the spec and the provenance cards."""
        self._guarded(self._open_parent)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Log how busy this machine is to the parent run for as long as the block takes."""
        self._guarded(self._start_monitor)
        try:
            yield
        finally:
            if self._monitor is not None:
                self._monitor.finish()  # raises nothing: it logs what the server says
                self._monitor = None

    def log_run(self, run: str) -> None:
        """Log what the rows of one run hold and MLflow does not."""
        self._guarded(lambda: self._sync_run(run, None))

    def end_run(self, run: str, status: str) -> None:
        """Log the last rows of a run and end it (FINISHED, FAILED or KILLED)."""
        self._guarded(lambda: self._sync_run(run, status))

    def finish(self, artifacts: list[Path], metrics: dict[str, float]) -> None:
        """Attach the report and end the parent run."""
        self._guarded(lambda: self._close_parent(artifacts, metrics))

    def _guarded(self, action: Callable[[], None]) -> None:
        if self.is_down:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                action()
        except Exception as error:  # whatever MLflow, SQLAlchemy or the network raises, the study goes on
            self.is_down = True
            reason = " ".join(str(error).split())[:200]
            self._warn(
                f"MLflow at {self._uri} does not answer ({reason}); the study goes on. "
                f"Refill it later: python -m study.sync {self._spec.name} --results {self._folder.parent}"
            )

    def _connect(self) -> "MlflowClient":
        if self._client is None:
            for name, value in _PATIENCE.items():
                os.environ.setdefault(name, value)
            for noisy in ("mlflow", "alembic"):
                logging.getLogger(noisy).setLevel(logging.ERROR)
            logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)  # the tracker says it, once
            from mlflow import MlflowClient

            if "://" in self._uri and not self._uri.startswith("sqlite"):
                self._client = MlflowClient(tracking_uri=self._uri)
                self._experiment = self._experiment_of(self._client)
            else:  # two studies that create the database at once would both migrate it
                with FileLock(self._folder.parent / ".mlflow.lock", timeout=120):
                    self._client = MlflowClient(tracking_uri=self._uri)
                    self._experiment = self._experiment_of(self._client)
        return self._client

    def _experiment_of(self, client: "MlflowClient") -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        artifacts = (self._folder.parent / "mlartifacts").as_uri() if self._uri.startswith("sqlite") else None
        return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts))

    def _find(self, kind: str, run: str) -> str | None:
        client = self._connect()
        rule = f"tags.`study.id` = '{self._study_id}' and tags.`study.kind` = '{kind}' and tags.`study.run` = '{run}'"
        found = client.search_runs([self._experiment], filter_string=rule, max_results=1)
        return str(found[0].info.run_id) if found else None

    def _create(self, kind: str, run: str, name: str, tags: dict[str, str]) -> str:
        identity = {"study": self._spec.name, "study.id": self._study_id, "study.kind": kind, "study.run": run}
        created = self._connect().create_run(self._experiment, run_name=name, tags={**identity, **tags})
        return str(created.info.run_id)

    def _open_parent(self) -> None:
        client = self._connect()
        self._parent = self._find("study", "") or self._create("study", "", self._spec.name, {})
        client.update_run(self._parent, status="RUNNING")
        for file in ("spec.yaml", "provenance.json"):
            if (self._folder / file).exists():
                client.log_artifact(self._parent, str(self._folder / file))
        for line in Provenance.of(self._folder).leaks:
            client.log_metric(self._parent, f"leaked/{line.task}", line.found)

    def _start_monitor(self) -> None:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        self._monitor = SystemMetricsMonitor(
            self._parent, sampling_interval=_SAMPLING_S, resume_logging=True, tracking_uri=self._uri
        )
        self._monitor.start()

    def _sync_run(self, run: str, status: str | None) -> None:
        rows = self._store.rows(run)
        if rows.empty:
            return
        client = self._connect()
        run_id = self._find("trial", run) or self._create_child(run, rows)
        logged = {entry.step for entry in client.get_metric_history(run_id, "score_dev")}
        for budget in sorted(set(rows["budget"]) - logged):
            client.log_batch(run_id, metrics=self._metrics(rows[rows["budget"] == budget], int(budget)))
        if status:
            client.set_terminated(run_id, status)

    def _create_child(self, run: str, rows: pd.DataFrame) -> str:
        from mlflow.entities import Param
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        first = rows.iloc[0]
        tags = {"curriculum": first["curriculum"], "seed": str(first["seed"]), "role": first["role"]}
        run_id = self._create("trial", run, run, {MLFLOW_PARENT_RUN_ID: self._parent, **tags})
        parameters: dict[str, Any] = json.loads(first["parameters"])
        common = ("curriculum", "seed", "horizon", "branch")
        shown = {**{name: first[name] for name in common}, **parameters}
        self._connect().log_batch(run_id, params=[Param(name, str(value)) for name, value in shown.items()])
        return run_id

    def _metrics(self, rows: pd.DataFrame, budget: int) -> list["Metric"]:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        values = {"score_dev": tasks.objective(self._spec, rows, budget)}
        for fidelity in sorted(set(rows["fidelity"]) - {PRETRAINING}):
            test = tasks.scores(self._spec, rows, "test", fidelity).groupby("task")["value"].mean()
            prefix = "" if fidelity == FULL else f"{fidelity}/"
            values[f"{prefix}score"] = float(test.mean())
            values |= {f"{prefix}task/{name}": float(value) for name, value in test.items()}
        costs = rows[rows["task"] == PRETRAINING].set_index("metric")["value"]
        parts = {name: f"time/{name.removeprefix('seconds_')}" for name in costs.index if name.startswith("seconds_")}
        values |= {shown: float(costs[name]) for name, shown in {**_SHOWN, **parts}.items() if name in costs.index}
        return [Metric(name, value, now, budget) for name, value in values.items()]

    def _close_parent(self, artifacts: list[Path], metrics: dict[str, float]) -> None:
        client = self._connect()
        for path in artifacts:
            client.log_artifact(self._parent, str(path))
        for name, value in metrics.items():
            client.log_metric(self._parent, name, value)
        client.set_terminated(self._parent, "FINISHED")
