"""A real MLflow server on PostgreSQL and S3 that is killed, frozen and away: all arrives, nothing twice, no secret."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from study import outcome, sync
from study.evidence.summary import summarise
from study.figures import pictures
from study.spec.files import parse
from study.spec.study import RANDOM_INIT, StudySpec
from study.store import Store
from study.tracking.runs import EXPERIMENT
from study.tracking.tracker import Patience, Tracker
from tests import object_store
from tests.filled import TABLE, fill
from tests.mlflow_server import PASSWORD, MlflowServer, postgres, with_objects
from tests.studies import MINI, StudyProcess

pytestmark = pytest.mark.timeout(600)
QUICK = Patience(first=0.2, longest=0.5, at_end=60)
DNA = {"source": "a test", "sha256": "ab" * 32, "url": "https://somebody:{PASSWORD}@genomes.example/dna.fa"}
CARDS = {
    "corpus": {**DNA, "url": DNA["url"].format(PASSWORD=PASSWORD), "contigs": {"1": 9}},
    "tasks": {"promoters_ecoli": {"source": "embedded", "rows": {"test": 4}, "rows_sha256": {"test": "cd" * 32}}},
    "leaks": {
        "tasks": {"promoters_ecoli": {"windows": 4, "too_short": 0, "ambiguous": 0, "found": 2}},
        "excluded": False,
    },
}


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that is not started yet: the first test is about a study that begins without one."""
    folder = tmp_path_factory.mktemp("mlflow")
    with object_store.serving() as objects, postgres() as database:
        server = MlflowServer(database, "s3://bucket/mlflow", folder / "server.log", with_objects(objects.port))
        yield server
        server.kill()


@pytest.fixture
def server(shared_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> MlflowServer:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shared_server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # a machine that does much else is no server that is away
    return shared_server


class Tracked:
    """Rows of a study, a tracker that reads them, and what it said."""

    def __init__(self, results: Path) -> None:
        self.spec = parse({**json.loads(json.dumps(MINI)), "results": str(results)}, "test")
        self.folder = self.spec.folder()
        self.folder.mkdir()
        (self.folder / "study_id").write_text(results.name)
        (self.folder / "spec.yaml").write_text(yaml.safe_dump(self.spec.model_dump(mode="json")))
        self.said: list[str] = []
        self.tracker = Tracker(self.spec, self.folder, results.name, self.said.append, QUICK)

    def store(self, table: list[tuple[Any, ...]], status: str | None) -> None:
        """Store rows and tell the tracker, as a study does."""
        fill(self.folder, table)
        (self.folder / "provenance.json").write_text(json.dumps(CARDS))
        for run in sorted({run for run, *_ in table}):
            if status is None:
                self.tracker.log_run(run)
                continue
            (self.folder / "runs" / run).mkdir(parents=True, exist_ok=True)
            (self.folder / "runs" / run / "ended").touch()
            self.tracker.end_run(run, status)

    def finish(self) -> None:
        report = self.folder / "report.html"
        report.write_text("<p>A report</p>")
        summary = summarise(self.spec, self.folder)
        figures = pictures.write(pictures.pictures(summary), self.folder)
        self.tracker.finish([report, figures], outcome.key_numbers(summary), outcome.key_words(summary))


@pytest.fixture
def tracked(tmp_path: Path) -> Tracked:
    return Tracked(tmp_path)


def until(holds: Callable[[], object], limit_s: float = 60) -> None:
    ends_at = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.05)


def client_of(server: MlflowServer) -> MlflowClient:
    return MlflowClient(tracking_uri=server.uri)


def runs_of(server: MlflowServer, folder: Path) -> dict[str, Run]:
    """Return the runs of a study by key, the parent by the empty one; each is there once."""
    client = client_of(server)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    found = client.search_runs([experiment], f"tags.`study.id` = '{(folder / 'study_id').read_text()}'")
    by_key = {run.data.tags["study.run"]: run for run in found}
    assert len(by_key) == len(found)
    return by_key


def assert_holds_the_rows(server: MlflowServer, spec: StudySpec, folder: Path) -> None:
    """Compare the whole history of every run with the stored rows: each number is there, and once."""
    rows = Store(folder).rows()
    runs = runs_of(server, folder)
    assert set(runs) == {"", *rows["run"]}
    for key, own in rows.groupby("run"):
        logged = pd.DataFrame(server.history(runs[key].info.run_id), columns=["key", "step", "value", "at"])
        assert not logged.duplicated(["key", "step"]).any(), logged
        assert set(logged["step"]) == set(own["budget"])
        (metric,) = {spec.evaluation.metric_of(task.name) for task in spec.evaluation.tasks}
        full = own[(own["metric"] == metric) & (own["fidelity"] == "full")]
        expected = {
            "score/test": full[full["split"] == "test"].groupby("budget")["value"].mean(),
            "score/dev": full[full["split"] == "dev"].groupby("budget")["value"].mean(),
            "validation/loss": own[own["metric"] == "validation_loss"].groupby("budget")["value"].mean(),
            "use/flops": own[own["metric"] == "flops"].groupby("budget")["value"].mean(),
        }
        for name, values in expected.items():
            found = logged[logged["key"] == name].set_index("step")["value"]
            assert found.sort_index().to_dict() == pytest.approx(values.to_dict()), (key, name)
        assert runs[key].data.params["curriculum"] == own["curriculum"].iloc[0]
        assert runs[key].data.tags["mlflow.parentRunId"] == runs[""].info.run_id
        assert runs[key].info.status == "FINISHED"
    assert runs[""].info.status == "FINISHED"


def samples_of(server: MlflowServer, tracked: Tracked) -> list[int]:
    """Return the steps of one metric of the machine, from the database: the server may be away."""
    parents = server.ids((tracked.folder / "study_id").read_text(), "study")
    return [
        step for one in parents for key, step, *_ in server.history(one) if key == "system/cpu_utilization_percentage"
    ]


def files_with(secret: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_a_study_whose_server_is_away_for_its_first_half_is_logged_whole_and_tells_no_secret(
    server: MlflowServer, tmp_path: Path
) -> None:
    server.kill()
    text = {**MINI, "search": {"trials": 0}, "grid": "all", "results": str(tmp_path)}
    (tmp_path / "mini.yaml").write_text(yaml.safe_dump(text))
    away = {"MLFLOW_TRACKING_URI": server.uri}
    with StudyProcess(tmp_path / "study.out", str(tmp_path / "mini.yaml"), environment=away) as study:
        study.wait_for(" done; 1 of 3 trials", limit_s=420)
        server.start()
        assert study.wait() == 0, study.text()
        assert study.survivors() == []
    shown = server.uri.replace(PASSWORD, "***")
    assert study.text().count(f"MLflow at {shown} does not answer") == 1, study.text()
    assert study.text().count(f"MLflow at {shown} answers again") == 1, study.text()
    assert f"MLflow       {shown} (a server)" in study.text()
    folder = tmp_path / "mini"
    assert set(Store(folder).rows()["curriculum"]) == {RANDOM_INIT, "constant", "linear"}
    assert_holds_the_rows(server, parse(text, "test"), folder)
    parent = runs_of(server, folder)[""]
    assert {one.dataset.name for one in parent.inputs.dataset_inputs} == {"embedded", "promoters_ecoli"}
    assert PASSWORD not in study.text()
    assert files_with(PASSWORD, folder) == []


def test_what_people_look_for_is_there_and_a_refill_changes_nothing(
    server: MlflowServer, tracked: Tracked, capsys: pytest.CaptureFixture[str]
) -> None:
    server.ensure()
    tracked.store(TABLE, "FINISHED")
    tracked.tracker.start()
    tracked.finish()
    assert tracked.said == []
    assert_holds_the_rows(server, tracked.spec, tracked.folder)
    runs = runs_of(server, tracked.folder)
    parent = runs[""]
    client = client_of(server)
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files == {"spec.yaml", "provenance.json", "report.html", "figures"}
    pages = {file.path for file in client.list_artifacts(parent.info.run_id, "figures")}
    assert {"figures/scores.html", "figures/losses.html"} <= pages
    assert client.get_run(parent.info.run_id).info.artifact_uri.startswith("mlflow-artifacts:")
    assert parent.data.metrics["test_overlap/promoters_ecoli"] == 2
    assert parent.data.metrics["best_score"] == pytest.approx(0.6333333)
    read = {one.dataset.name: one for one in parent.inputs.dataset_inputs}
    assert read["embedded"].dataset.digest == ("ab" * 32)[:36]
    assert json.loads(read["embedded"].dataset.profile)["sha256"] == "ab" * 32
    assert json.loads(read["embedded"].dataset.source) == {"url": "https://somebody:***@genomes.example/dna.fa"}
    assert {tag.value for one in read.values() for tag in one.tags} == {"pretraining", "evaluation"}
    assert {one.dataset.name for one in runs["init-0"].inputs.dataset_inputs} == {"promoters_ecoli"}
    assert {one.dataset.name for one in runs["linear-0"].inputs.dataset_inputs} == {"embedded", "promoters_ecoli"}

    before = {key: (run.to_dictionary(), server.history(run.info.run_id)) for key, run in runs.items()}
    for _ in range(2):
        assert sync.main(["mini", "--results", str(tracked.folder.parent)]) == 0
        printed = capsys.readouterr().out
        assert "6 runs of mini are in MLflow" in printed
        assert PASSWORD not in printed
    again = runs_of(server, tracked.folder)
    assert {key: (run.to_dictionary(), server.history(run.info.run_id)) for key, run in again.items()} == before


def test_a_server_that_is_killed_and_started_again_lacks_nothing_and_has_nothing_twice(
    server: MlflowServer, tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    server.ensure()
    tracked.store(TABLE[:3], None)
    tracked.tracker.start()
    with tracked.tracker.watching():
        until(lambda: samples_of(server, tracked))
        server.kill()
        before = len(samples_of(server, tracked))
        tracked.store(TABLE[3:4], "FINISHED")
        until(lambda: tracked.said)
        tracked.store(TABLE[4:], "FINISHED")
        tracked.store(TABLE[:2], "FINISHED")
        time.sleep(2)  # some attempts in vain
        server.start()
        server.wait()
        until(lambda: len(samples_of(server, tracked)) > before)
    tracked.finish()
    steps = samples_of(server, tracked)
    assert steps == list(range(len(steps)))
    away, back = tracked.said
    shown = server.uri.replace(PASSWORD, "***")
    assert away.startswith(f"MLflow at {shown} does not answer (")
    assert back.startswith(f"MLflow at {shown} answers again")
    assert PASSWORD not in away + back
    assert_holds_the_rows(server, tracked.spec, tracked.folder)


def test_a_server_that_is_frozen_and_then_does_what_it_was_asked_long_ago_has_nothing_twice(
    server: MlflowServer, tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.ensure()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    tracked.store(TABLE[2:3], None)
    tracked.tracker.start()
    assert tracked.tracker.settle(60)
    tracked.said.clear()  # a machine that does much else is slow at first
    with server.frozen():
        tracked.store(TABLE, "FINISHED")
        until(lambda: tracked.said)
        time.sleep(8)  # more requests than one wait for an answer
    assert tracked.tracker.settle(60)
    tracked.finish()
    assert "does not answer" in tracked.said[0]
    assert "answers again" in tracked.said[-1]
    assert_holds_the_rows(server, tracked.spec, tracked.folder)


def test_a_study_that_ends_while_its_server_is_away_says_how_to_refill_it(
    server: MlflowServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.ensure()
    tracked = Tracked(tmp_path)
    tracked.tracker = Tracker(tracked.spec, tracked.folder, tmp_path.name, tracked.said.append, Patience(0.2, 0.5, 1))
    tracked.tracker.start()
    assert tracked.tracker.settle(60)
    server.kill()
    tracked.store(TABLE, "FINISHED")
    tracked.finish()
    away, end = tracked.said
    assert "does not answer" in away
    assert f"6 runs are not there yet. Refill it later: python -m study.sync mini --results {tmp_path}" in end
    assert sync.main(["mini", "--results", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "does not answer" in printed
    assert PASSWORD not in "".join([*tracked.said, printed])
