"""MLflow is filled from the rows, once; and a server that fails costs nothing but a line."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from study.spec.files import parse
from study.spec.study import StudySpec
from study.tracking.address import tracking_uri
from study.tracking.runs import EXPERIMENT
from study.tracking.tracker import Patience, Tracker
from tests.filled import TABLE, fill
from tests.studies import MINI, logging_processes


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudySpec:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return parse({**json.loads(json.dumps(MINI)), "results": str(tmp_path)}, "test")


@pytest.fixture
def hanging_server() -> Iterator[str]:
    """A server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def logged(spec: StudySpec) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Return the metrics of every run in MLflow, as (step, value) lists."""
    client = MlflowClient(tracking_uri=tracking_uri(spec.folder().parent))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = {}
    for run in client.search_runs([experiment.experiment_id]):
        history = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        found[run.data.tags["study.run"]] = {key: [(m.step, m.value) for m in ms] for key, ms in history.items()}
    return found


def ended(tracker: Tracker) -> None:
    """Wait for the tracker, and end its thread."""
    assert tracker.settle(60)
    tracker.stop("KILLED")


def test_rows_are_logged_once_however_often_they_are_synced(spec: StudySpec) -> None:
    fill(spec.folder(), TABLE)
    for _ in range(2):
        tracker = Tracker(spec, spec.folder(), "an-id", pytest.fail)
        tracker.start()
        for run in ("constant-0", "linear-0"):
            tracker.log_run(run)
            tracker.end_run(run, "FINISHED")
        ended(tracker)
    runs = logged(spec)
    assert sorted(runs) == sorted({"", *(run for run, *_ in TABLE)})  # what an earlier session left out as well
    assert runs["constant-0"]["score/test"] == [(2, pytest.approx(0.4)), (6, pytest.approx(0.5333333))]
    assert runs["constant-0"]["score/dev"] == [(2, pytest.approx(0.3)), (6, pytest.approx(0.5))]
    assert runs["linear-0"]["task/promoters_ecoli"] == [(2, pytest.approx(0.1))]


def test_costs_and_speeds_have_names_in_groups(spec: StudySpec) -> None:
    fill(spec.folder(), TABLE)
    tracker = Tracker(spec, spec.folder(), "an-id", pytest.fail)
    tracker.start()
    ended(tracker)
    runs = logged(spec)
    always = {"score/test", "score/dev", "task/promoters_ecoli", "validation/loss", "validation/perplexity"}
    costs = {"use/flops", "use/worker_hours", "use/gpu_hours"}
    speeds = {"speed/tokens_per_second", "speed/mfu", "time/forward", "time/backward", "time/communication"}
    assert set(runs["init-0"]) == always | costs
    assert set(runs["constant-0"]) == always | costs | speeds
    assert runs["constant-0"]["validation/loss"] == [(2, 1.8), (6, 1.4)]
    assert runs["constant-0"]["time/forward"] == [(2, 0.5), (6, 1.5)]
    client = MlflowClient(tracking_uri=tracking_uri(spec.folder().parent))
    (experiment,) = client.search_experiments(filter_string=f"name = '{EXPERIMENT}'")
    (child,) = client.search_runs([experiment.experiment_id], "tags.`study.run` = 'constant-0'")
    assert child.data.params["branch"] == "trunk"


def test_the_machine_is_watched_while_a_study_runs_and_no_longer(
    spec: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    spec.folder().mkdir()
    tracker = Tracker(spec, spec.folder(), "an-id", pytest.fail)
    tracker.start()

    def seen() -> list[tuple[int, float]]:
        return logged(spec)[""].get("system/system_memory_usage_percentage", [])

    def watch(least: int) -> None:
        until = time.monotonic() + 30
        while len(seen()) < least and time.monotonic() < until:
            time.sleep(0.1)

    def interrupted() -> None:
        with tracker.watching():
            watch(len(first) + 1)
            raise KeyboardInterrupt

    with tracker.watching():
        assert tracker.settle(60)
        watch(1)
    assert tracker.settle(60)
    first = seen()
    time.sleep(1)
    assert seen() == first
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    ended(tracker)
    assert logging_processes() == []
    steps = [step for step, _ in seen()]
    assert steps == list(range(len(steps)))  # it goes on where it was
    assert len(steps) > len(first) > 0


def test_a_run_without_rows_is_not_logged(spec: StudySpec) -> None:
    fill(spec.folder(), TABLE)
    tracker = Tracker(spec, spec.folder(), "an-id", pytest.fail)
    tracker.start()
    tracker.log_run("nobody")
    ended(tracker)
    assert "nobody" not in logged(spec)


def test_a_server_that_hangs_holds_up_nothing_and_costs_a_line_and_another_at_the_end(
    spec: StudySpec, hanging_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(spec.folder(), TABLE)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", hanging_server)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    said: list[str] = []
    tracker = Tracker(spec, spec.folder(), "an-id", said.append, Patience(first=0.1, longest=0.1, at_end=2))
    tracker.start()
    started_at = time.monotonic()
    with tracker.watching():
        tracker.log_run("constant-0")
        tracker.end_run("constant-0", "FINISHED")
    assert time.monotonic() - started_at < 0.5
    while not said:
        assert time.monotonic() - started_at < 60
        time.sleep(0.05)
    started_at = time.monotonic()
    tracker.finish([], {})
    assert time.monotonic() - started_at < 5
    assert logging_processes() == []
    away, end = said
    assert f"MLflow at {hanging_server} does not answer" in away
    assert (
        f"6 runs are not there yet. Refill it later: python -m study.sync mini --results {spec.folder().parent}" in end
    )


@pytest.mark.parametrize("uri", ["htp://127.0.0.1:9", "no/such/place"])
def test_an_address_that_cannot_be_used_costs_one_line(
    uri: str, spec: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(spec.folder(), TABLE)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    said: list[str] = []
    tracker = Tracker(spec, spec.folder(), "an-id", said.append)
    tracker.start()
    tracker.log_run("constant-0")
    tracker.finish([], {})
    (line,) = said
    assert f"MLflow at {uri} cannot be used" in line
    assert "the study goes on without it. Refill it later" in line


def test_a_run_that_is_refused_costs_a_line_and_the_others_are_logged(spec: StudySpec) -> None:
    fill(spec.folder(), TABLE)
    next((spec.folder() / "scores/linear-0").glob("*.parquet")).write_text("damaged")
    said: list[str] = []
    tracker = Tracker(spec, spec.folder(), "an-id", said.append)
    tracker.start()
    tracker.finish([], {})
    (line,) = said
    assert "did not take linear-0 (InputError: the results file" in line
    assert sorted(logged(spec)) == sorted({"", *(run for run, *_ in TABLE)} - {"linear-0"})


def test_the_uri_is_the_users_or_a_database_beside_the_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri(tmp_path) == "http://127.0.0.1:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert "MLFLOW_TRACKING_URI" not in os.environ
