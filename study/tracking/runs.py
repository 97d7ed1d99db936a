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
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from filelock import FileLock

from study import best_model
from study.provenance import Dataset, Provenance
from study.spec.study import RANDOM_INIT, StudySpec
from study.store import Store
from study.tracking.address import tracking_uri
from study.tracking.datasets import missing_inputs
from study.tracking.metrics import metrics, parameters
from study.tracking.models import log_model

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

EXPERIMENT = "curriculum-study"
_IS_LOGGED = "study.logged"  # a tag that says which metrics are there, so that they need not be asked for
_PAGE = 1000  # runs an answer
_BATCH = 900  # metrics a request; MLflow takes 1,000 with parameters and tags
_LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a request repeated unseen could create a run twice
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "GIT_PYTHON_REFRESH": "quiet",
}


def _identity(metrics: list["Metric"]) -> str:
    named = sorted((metric.key, metric.step) for metric in metrics)
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


@dataclass
class _Child:
    """A trial's run as MLflow has it, as far as it is known here.

    Attributes:
        run_id: Its name in MLflow.
        status: RUNNING, FINISHED, FAILED or KILLED.
        logged: Which metrics it has, by its own tag.
        parameters: Which it has.
        latest: Metrics that it has at one step at least.
        steps: Those it has, by metric, as far as they were asked for or logged here.
    """

    run_id: str
    status: str
    logged: str | None
    parameters: frozenset[str]
    latest: frozenset[str]
    steps: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def of(cls, run: "Run") -> "_Child":
        """Read a run."""
        data = run.data
        return cls(
            str(run.info.run_id),
            run.info.status,
            data.tags.get(_IS_LOGGED),
            frozenset(data.params),
            frozenset(data.metrics),
        )


class MlflowRuns:
    """The runs of one study in MLflow; every method may be repeated, and raises whatever MLflow raises."""

    def __init__(self, spec: StudySpec, folder: Path, study_id: str) -> None:
        self._spec, self._folder, self._study_id = spec, folder, study_id
        self._store = Store(folder)
        self.uri = tracking_uri(folder.parent)
        self._client: MlflowClient | None = None
        self.experiment = ""
        self.parent = ""
        self._children: dict[str, _Child] | None = None  # by run; asked for once, all together
        self._in_doubt: set[str] = set()  # runs of which a request failed: the server may have heard it

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
                self.experiment = self._experiment_of(client)
            else:  # two studies that create the database at once would both migrate it
                with FileLock(self._folder.parent / ".mlflow.lock", timeout=120):
                    client = MlflowClient(tracking_uri=self.uri)
                    self.experiment = self._experiment_of(client)
            self._client = client
        return self._client

    def _experiment_of(self, client: "MlflowClient") -> str:
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        artifacts = (self._folder.parent / "mlartifacts").as_uri() if self.uri.startswith("sqlite") else None
        return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts))

    def _search(self, rule: str) -> list["Run"]:
        """Return the runs of this study to which a rule applies."""
        client, found, token = self._connect(), list["Run"](), None
        while True:
            rules = f"tags.`study.id` = '{self._study_id}' and {rule}"
            page = client.search_runs([self.experiment], filter_string=rules, max_results=_PAGE, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _only(self, twins: list["Run"]) -> "Run":
        """Return one of several runs that stand for the same: the others, left by lost answers, go if empty."""
        known = {self.parent, *(child.run_id for child in (self._children or {}).values())}
        kept = max(twins, key=lambda one: (one.info.run_id in known, len(one.data.metrics), -one.info.start_time))
        for twin in twins:
            if twin is not kept and not twin.data.metrics:
                self._connect().delete_run(twin.info.run_id)
        return kept

    @property
    def _identity(self) -> dict[str, str]:
        return {"study": self._spec.name, "study.id": self._study_id}

    def _create(self, kind: str, run: str, name: str, tags: dict[str, str]) -> "Run":
        named = {**self._identity, "study.kind": kind, "study.run": run, **tags}
        return self._connect().create_run(self.experiment, run_name=name, tags=named)

    def _parent(self) -> "Run":
        """Find or create the study's own run."""
        found = self._search("tags.`study.kind` = 'study'")
        return self._only(found) if found else self._create("study", "", self._spec.name, {})

    def open(self, is_running: bool = True) -> None:
        """Find or create the parent run; log which data the study reads, and what of its tests stands in them."""
        client = self._connect()
        parent = self._parent()
        self.parent = str(parent.info.run_id)
        if is_running and parent.info.status != "RUNNING":
            client.update_run(self.parent, status="RUNNING")
        self._log_inputs(parent, self._cards.datasets(self._spec))
        leaked = {f"test_overlap/{line.task}": float(line.found) for line in self._cards.leaks}
        self._log_changed(parent, leaked, self._cards.written_at)

    def attach(self, files: list[Path]) -> None:
        """Keep files and folders as artifacts of the parent run: what has the same name is replaced.

        What is missing is left out.
        """
        for path in files:
            if path.is_dir():
                self._connect().log_artifacts(self.parent, str(path), path.name)
            elif path.exists():
                self._connect().log_artifact(self.parent, str(path))

    @cached_property
    def _cards(self) -> Provenance:
        return Provenance.of(self._folder)

    def sync(self, run: str, status: str | None) -> None:
        """Log what the rows of a run hold and MLflow does not; end it where a status is given, unless it has that."""
        rows = self._store.rows(run)
        if rows.empty:
            return
        try:
            child = self._child(run, rows)
            self._log(child, rows)
            if status and child.status != status:
                self._connect().set_terminated(child.run_id, status)
                child.status = status
        except Exception:
            if self._children is not None:
                self._children.pop(run, None)
            self._in_doubt.add(run)
            raise

    def _child(self, run: str, rows: pd.DataFrame) -> _Child:
        """Find or create the run of a trial."""
        if self._children is None:
            by_run: dict[str, list[Run]] = defaultdict(list)
            for one in self._search("tags.`study.kind` = 'trial'"):
                by_run[one.data.tags["study.run"]].append(one)
            self._children = {name: _Child.of(self._only(twins)) for name, twins in by_run.items()}
        if run in self._in_doubt and (twins := self._search(f"tags.`study.run` = '{run}'")):
            self._children[run] = _Child.of(self._only(twins))
        self._in_doubt.discard(run)
        if run not in self._children:
            self._children[run] = self._new_child(run, rows)
        return self._children[run]

    def _new_child(self, run: str, rows: pd.DataFrame) -> _Child:
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        first = rows.iloc[0]
        tags = {"curriculum": first["curriculum"], "seed": str(first["seed"]), "role": first["role"]}
        created = self._create("trial", run, run, {MLFLOW_PARENT_RUN_ID: self.parent, **tags})
        reads_dna = first["role"] != "baseline" and first["curriculum"] != RANDOM_INIT
        self._log_inputs(created, [one for one in self._cards.datasets(self._spec) if reads_dna or not one.is_training])
        return _Child.of(created)

    def _log(self, child: _Child, rows: pd.DataFrame) -> None:
        """Log metrics and parameters that are not there; last, what says that a run has all of them."""
        from mlflow.entities import Param, RunTag

        wanted = self._metrics(rows)
        identity = _identity(wanted)
        if child.logged == identity:
            return
        missing = self._missing(child, wanted)
        new = [Param(name, value) for name, value in parameters(rows).items() if name not in child.parameters]
        starts = range(0, len(missing), _BATCH) or range(1)
        for start in starts:
            tags = [RunTag(_IS_LOGGED, identity)] if start == starts[-1] else []
            batch = missing[start : start + _BATCH]
            self._connect().log_batch(child.run_id, batch, [] if start else new, tags)  # MLflow writes tags last
        child.logged, child.parameters = identity, child.parameters | {one.key for one in new}
        for metric in wanted:
            child.steps[metric.key].add(metric.step)

    def log_model(self) -> None:
        """Log the best model of the study, if there is one, with the run that pretrained it."""
        model = best_model.stored(self._folder)
        if model is None:
            return
        rows = self._store.rows(model.run)
        child = self._child(model.run, rows)
        shown = [metric for metric in self._metrics(rows) if metric.step == model.budget]
        log_model(self._connect(), self.experiment, self._identity, model, self._folder, child.run_id, shown)

    def _metrics(self, rows: pd.DataFrame) -> list["Metric"]:
        run = str(rows["run"].iloc[0])
        return metrics(self._spec, rows, lambda budget: self._store.stored_at(run, budget))

    def _missing(self, child: _Child, wanted: list["Metric"]) -> list["Metric"]:
        """Return the metrics that a run in MLflow lacks; asks for a history once, unless the run was created here."""
        for key in {metric.key for metric in wanted} & child.latest - child.steps.keys():
            child.steps[key] = {entry.step for entry in self._connect().get_metric_history(child.run_id, key)}
        return [metric for metric in wanted if metric.step not in child.steps[metric.key]]

    def _log_inputs(self, run: "Run", read: list[Dataset]) -> None:
        if missing := missing_inputs(run, read):
            self._connect().log_inputs(run.info.run_id, missing)

    def _log_changed(self, parent: "Run", metrics: dict[str, float], known_at: float) -> None:
        from mlflow.entities import Metric

        changed = {name: value for name, value in metrics.items() if parent.data.metrics.get(name) != value}
        if changed:
            at = int(known_at * 1000)
            entries = [Metric(name, value, at, 0) for name, value in changed.items()]
            self._connect().log_batch(str(parent.info.run_id), entries)

    def close(self, metrics: dict[str, float], status: str, tags: dict[str, str] | None = None) -> None:
        """Log the numbers and words by which studies are compared and end the parent run."""
        parent = self._parent()
        self._log_changed(parent, metrics, self._store.last_stored_at())
        for name, value in (tags or {}).items():
            if parent.data.tags.get(name) != value:
                self._connect().set_tag(str(parent.info.run_id), name, value)
        if parent.info.status != status:
            self._connect().set_terminated(str(parent.info.run_id), status)
