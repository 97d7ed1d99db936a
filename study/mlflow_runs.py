"""What MLflow shows of the Parquet rows: one parent run a study, one child run a trial, step = budget.

Everything is read from the rows and the cards, and what MLflow has already is not written again. So the same calls
serve while a study runs, after a crash, after a request whose answer was lost, and to refill an MLflow that was away.
Every metric of a budget has the time at which its rows were stored: a server that gets it twice keeps it once.
"""

import hashlib
import json
import logging
import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from filelock import FileLock

from study import tasks
from study.mlflow_address import tracking_uri, without_secrets
from study.provenance import Dataset, Provenance
from study.spec import RANDOM_INIT, StudySpec
from study.spec_evaluation import FULL
from study.store import PRETRAINING, Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

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
_IS_LOGGED = "study.logged"  # a tag that says which metrics are there, so that they need not be asked for
_BATCH = 900  # metrics a request; MLflow takes 1,000 with parameters and tags
_DIGEST = 36  # letters of a data set's digest that MLflow takes; its profile has the whole
_LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a request repeated unseen could create a run twice
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "GIT_PYTHON_REFRESH": "quiet",
}


def how_it_ended(folder: Path, run: str) -> str | None:
    """Return FINISHED or FAILED as the folder of a study says it of a run; None where it may go on."""
    if (folder / "runs" / run / "failure.json").exists():
        return "FAILED"
    return "FINISHED" if (folder / "runs" / run / "ended").exists() else None


def _identity(metrics: list["Metric"]) -> str:
    named = sorted((metric.key, metric.step) for metric in metrics)
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


class MlflowRuns:
    """The runs of one study in MLflow; every method may be repeated, and raises whatever MLflow raises."""

    def __init__(self, spec: StudySpec, folder: Path, study_id: str) -> None:
        self._spec, self._folder, self._study_id = spec, folder, study_id
        self._store = Store(folder)
        self.uri = tracking_uri(folder.parent)
        self._client: MlflowClient | None = None
        self._experiment = ""
        self.parent = ""
        self._logged: dict[str, dict[str, set[int]]] = {}  # steps by run and metric, as far as they were asked for

    @property
    def _is_server(self) -> bool:
        return "://" in self.uri and not self.uri.startswith("sqlite")

    def load(self) -> None:
        """Import MLflow and set how patient and how talkative it is; asks no server anything."""
        for name, value in _LIMITS.items():
            os.environ.setdefault(name, value)
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # of each run that ends, with its password
        import mlflow

        if self.uri.startswith("http"):
            import mlflow.store.tracking.rest_store
        else:
            import mlflow.store.tracking.sqlalchemy_store
        import mlflow.system_metrics.system_metrics_monitor  # noqa: F401

        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)  # errors are raised as well, and said once

    def _connect(self) -> "MlflowClient":
        if self._client is None:
            from mlflow import MlflowClient

            if self._is_server:
                client = MlflowClient(tracking_uri=self.uri)
                self._experiment = self._experiment_of(client)
            else:  # two studies that create the database at once would both migrate it
                with FileLock(self._folder.parent / ".mlflow.lock", timeout=120):
                    client = MlflowClient(tracking_uri=self.uri)
                    self._experiment = self._experiment_of(client)
            self._client = client
        return self._client

    def _experiment_of(self, client: "MlflowClient") -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        artifacts = (self._folder.parent / "mlartifacts").as_uri() if self.uri.startswith("sqlite") else None
        return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts))

    def _find(self, kind: str, run: str) -> "Run | None":
        """Return a run of this study; an empty twin, left by a request whose answer was lost, is deleted."""
        client = self._connect()
        rule = f"tags.`study.id` = '{self._study_id}' and tags.`study.kind` = '{kind}' and tags.`study.run` = '{run}'"
        found = list(client.search_runs([self._experiment], filter_string=rule, max_results=10))
        if not found:
            return None
        known = {self.parent, *self._logged}
        kept = max(found, key=lambda one: (one.info.run_id in known, len(one.data.metrics), -one.info.start_time))
        for twin in found:
            if twin is not kept and not twin.data.metrics:
                client.delete_run(twin.info.run_id)
        return kept

    def _found_or_created(self, kind: str, run: str, name: str, tags: dict[str, str]) -> "Run":
        found = self._find(kind, run)
        if found is not None:
            return found
        identity = {"study": self._spec.name, "study.id": self._study_id, "study.kind": kind, "study.run": run}
        return self._connect().create_run(self._experiment, run_name=name, tags={**identity, **tags})

    def open(self, is_running: bool = True) -> None:
        """Find or create the parent run; log which data the study reads, and what of its tests stands in them."""
        client = self._connect()
        parent = self._found_or_created("study", "", self._spec.name, {})
        self.parent = str(parent.info.run_id)
        if is_running and parent.info.status != "RUNNING":
            client.update_run(self.parent, status="RUNNING")
        cards = Provenance.of(self._folder)
        self._log_inputs(parent, cards.datasets(self._spec))
        self._log_changed(parent, {f"leaked/{line.task}": float(line.found) for line in cards.leaks}, cards.written_at)

    def attach(self, files: list[Path]) -> None:
        """Keep files as artifacts of the parent run; one of the same name is replaced, one that is missing left out."""
        for path in files:
            if path.exists():
                self._connect().log_artifact(self.parent, str(path))

    def sync(self, run: str, status: str | None) -> None:
        """Log what the rows of a run hold and MLflow does not; end it where a status is given, unless it has that."""
        rows = self._store.rows(run)
        if rows.empty:
            return
        child = self._child(run, rows)
        wanted = [metric for budget in sorted(set(rows["budget"])) for metric in self._metrics(rows, int(budget))]
        identity = _identity(wanted)
        if child.data.tags.get(_IS_LOGGED) != identity:
            run_id = str(child.info.run_id)
            try:
                self._log(child, self._missing(child, wanted), self._parameters(rows.iloc[0]), identity)
            except Exception:
                self._logged.pop(run_id, None)  # the server may have written it: ask again
                raise
            for metric in wanted:
                self._logged[run_id][metric.key].add(metric.step)
        if status and child.info.status != status:
            self._connect().set_terminated(child.info.run_id, status)

    def _log(self, child: "Run", metrics: list["Metric"], parameters: dict[str, str], identity: str) -> None:
        """Log metrics and the parameters that are not there; last, what says that a run is complete."""
        from mlflow.entities import Param, RunTag

        new = [Param(name, value) for name, value in parameters.items() if name not in child.data.params]
        starts = range(0, len(metrics), _BATCH) or range(1)
        for start in starts:
            tags = [RunTag(_IS_LOGGED, identity)] if start == starts[-1] else []
            batch = metrics[start : start + _BATCH]
            self._connect().log_batch(child.info.run_id, batch, [] if start else new, tags)  # MLflow writes tags last

    def _child(self, run: str, rows: pd.DataFrame) -> "Run":
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        first = rows.iloc[0]
        tags = {"curriculum": first["curriculum"], "seed": str(first["seed"]), "role": first["role"]}
        child = self._found_or_created("trial", run, run, {MLFLOW_PARENT_RUN_ID: self.parent, **tags})
        reads_dna = first["role"] != "baseline" and first["curriculum"] != RANDOM_INIT
        read = Provenance.of(self._folder).datasets(self._spec)
        self._log_inputs(child, [one for one in read if reads_dna or not one.is_training])
        return child

    def _parameters(self, first: "pd.Series[Any]") -> dict[str, str]:
        common = ("curriculum", "seed", "horizon", "branch")
        shown = {**{name: first[name] for name in common}, **json.loads(first["parameters"])}
        return {name: without_secrets(str(value)) for name, value in shown.items()}

    def _missing(self, child: "Run", wanted: list["Metric"]) -> list["Metric"]:
        """Return the metrics that a run in MLflow lacks; asks for a history once, unless the run was created here."""
        run_id = str(child.info.run_id)
        logged = self._logged.setdefault(run_id, defaultdict(set))
        for key in {metric.key for metric in wanted} & child.data.metrics.keys() - logged.keys():
            logged[key] = {entry.step for entry in self._connect().get_metric_history(run_id, key)}
        return [metric for metric in wanted if metric.step not in logged[metric.key]]

    def _metrics(self, every: pd.DataFrame, budget: int) -> list["Metric"]:
        from mlflow.entities import Metric

        rows = every[every["budget"] == budget]
        values = {"score_dev": tasks.objective(self._spec, rows, budget)}
        for fidelity in sorted(set(rows["fidelity"]) - {PRETRAINING}):
            test = tasks.scores(self._spec, rows, "test", fidelity).groupby("task")["value"].mean()
            prefix = "" if fidelity == FULL else f"{fidelity}/"
            values[f"{prefix}score"] = float(test.mean())
            values |= {f"{prefix}task/{name}": float(value) for name, value in test.items()}
        costs = rows[rows["task"] == PRETRAINING].set_index("metric")["value"]
        parts = {name: f"time/{name.removeprefix('seconds_')}" for name in costs.index if name.startswith("seconds_")}
        values |= {shown: float(costs[name]) for name, shown in {**_SHOWN, **parts}.items() if name in costs.index}
        stored_at = int(self._store.stored_at(rows["run"].iloc[0], budget) * 1000)
        return [Metric(name, value, stored_at, budget) for name, value in values.items()]

    def _log_inputs(self, run: "Run", read: list[Dataset]) -> None:
        from mlflow.entities import Dataset as Described
        from mlflow.entities import DatasetInput, InputTag
        from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

        known = {(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs} if run.inputs else set()
        inputs = []
        for one in read:
            profile = json.dumps({"sha256": one.sha256, **one.facts})
            place = json.dumps({"url" if one.kind == "http" else "uri": without_secrets(one.source)})
            shown = Described(one.name, one.sha256[:_DIGEST], one.kind, place, profile=profile)
            if (shown.name, shown.digest) not in known:
                purpose = "pretraining" if one.is_training else "evaluation"
                inputs.append(DatasetInput(shown, [InputTag(MLFLOW_DATASET_CONTEXT, purpose)]))
        if inputs:
            self._connect().log_inputs(run.info.run_id, inputs)

    def _log_changed(self, parent: "Run", metrics: dict[str, float], known_at: float) -> None:
        from mlflow.entities import Metric

        changed = {name: value for name, value in metrics.items() if parent.data.metrics.get(name) != value}
        if changed:
            at = int(known_at * 1000)
            entries = [Metric(name, value, at, 0) for name, value in changed.items()]
            self._connect().log_batch(str(parent.info.run_id), entries)

    def close(self, metrics: dict[str, float], status: str) -> None:
        """Log the numbers by which studies are compared and end the parent run."""
        parent = self._found_or_created("study", "", self._spec.name, {})
        self._log_changed(parent, metrics, self._store.last_stored_at())
        if parent.info.status != status:
            self._connect().set_terminated(str(parent.info.run_id), status)
