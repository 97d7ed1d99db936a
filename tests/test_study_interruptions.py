"""Studies that run at once, are killed, interrupted, or lose their MLflow; each on a real Ray cluster."""

import ipaddress
import os
import re
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from study import sync
from study.runs import default_run
from study.spec.files import parse
from study.store import Store
from tests.studies import MINI, MINI_RUNS, StudyProcess, values, write_mini

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Together:
    """What two studies of one spec, started together with one results folder, left and showed."""

    results: Path
    listening: dict[str, set[str]]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Together:
    results = tmp_path_factory.mktemp("together")
    arguments = (str(write_mini(results)), "--results", str(results))
    with (
        StudyProcess(results / "first.out", *arguments) as first,
        StudyProcess(results / "second.out", *arguments) as second,
    ):
        first.wait_for(" at 2 steps", limit_s=300)  # by now there is all that a study starts
        listening = first.listening()
        assert first.wait() == 0, first.text()
        assert second.wait() == 0, second.text()
        assert first.survivors() == []
        assert second.survivors() == []
    return Together(results, listening)


@pytest.fixture(scope="module")
def undisturbed(together: Together) -> Path:
    return together.results


def rows_of(results: Path, name: str = "mini") -> pd.DataFrame:
    return Store(results / name).rows()


def runs_in_mlflow(results: Path, name: str) -> list[str]:
    client = MlflowClient(tracking_uri=f"sqlite:///{results / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("curriculum-study")
    found = client.search_runs([experiment.experiment_id], filter_string=f"tags.study = '{name}'")
    return sorted(run.data.tags["study.run"] for run in found)


def test_two_studies_at_once_do_not_disturb_each_other_and_give_the_same_scores(undisturbed: Path) -> None:
    first, second = rows_of(undisturbed, "mini"), rows_of(undisturbed, "mini-2")
    assert len(set(first["run"])) == MINI_RUNS
    pd.testing.assert_frame_equal(values(first), values(second))
    for name in ("mini", "mini-2"):
        assert runs_in_mlflow(undisturbed, name) == sorted(["", *set(first["run"])])


def test_nothing_of_a_study_can_be_reached_from_another_machine(together: Together) -> None:
    assert {"raylet", "gcs_server"} <= set(together.listening)  # they do listen, so the rule below is about something
    beyond = {
        name: addresses
        for name, addresses in together.listening.items()
        if not all(ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback for address in addresses)
    }
    assert beyond == {}


def test_the_search_goes_by_the_cheap_scores_of_its_rung_and_the_rest_is_scored_in_full(undisturbed: Path) -> None:
    rows = rows_of(undisturbed)
    scored = rows[rows["task"] == "promoters_ecoli"]
    found = scored.groupby(["role", "budget"])["fidelity"].agg(set).to_dict()
    assert found["baseline", 0] == {"full"}
    assert found["control", 0] == {"full", "few"}
    assert found["control", 2] == {"full", "probe", "few"}
    assert found["search", 2] == {"probe", "few"}
    assert found["control", 6] == {"full", "few"}
    few = scored[scored["fidelity"] == "few"]
    assert set(few["repetition"]) == {0}
    assert set(scored[scored["fidelity"] == "full"]["repetition"]) == {0, 1}


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[StudyProcess]:
    """A study whose driver was killed while the third run was at work; Ray's own watchers end the rest."""
    with StudyProcess(tmp_path / "killed.out", str(write_mini(tmp_path)), "--results", str(tmp_path)) as study:
        third = default_run(parse(MINI, "MINI"), "linear", "search").key
        study.wait_for(f"{third} at 2 steps")
        os.kill(study.process.pid, signal.SIGKILL)
        study.process.wait(timeout=30)
        yield study


def test_after_kill_9_resume_finishes_every_trial_and_runs_no_finished_one_again(
    undisturbed: Path,
    killed: StudyProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finished = [line.split()[0] for line in killed.text().splitlines() if " done; " in line]
    assert len(finished) >= 2

    with socket.socket() as closed:  # bound, but nobody listens: an MLflow server that is away
        closed.bind(("127.0.0.1", 0))
        away = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{closed.getsockname()[1]}"}
        arguments = ("--resume", "mini", "--results", str(tmp_path))
        with StudyProcess(tmp_path / "resumed.out", *arguments, environment=away) as resumed:
            assert resumed.wait() == 0, resumed.text()
        assert resumed.survivors() == []
    assert killed.survivors(limit_s=180) == []  # Ray's agents look for their raylet about once a minute
    said = resumed.text()
    started = [line.split()[0] for line in said.splitlines() if " starts (" in line]
    assert started
    assert not set(started) & set(finished)
    pd.testing.assert_frame_equal(values(rows_of(tmp_path)), values(rows_of(undisturbed)))

    assert "does not answer" in said
    assert "python -m study.sync mini" in said
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for _ in range(2):  # the second time there is nothing left to do
        assert sync.main(["mini", "--results", str(tmp_path)]) == 0
        assert f"{MINI_RUNS} runs of mini are in MLflow" in capsys.readouterr().out
        assert runs_in_mlflow(tmp_path, "mini") == sorted(["", *set(rows_of(tmp_path)["run"])])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_a_study_is_told_how_to_go_on_and_no_process_is_left(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C reaches the whole group of a terminal; schedulers send SIGTERM to the study alone."""
    with StudyProcess(tmp_path / "study.out", str(write_mini(tmp_path)), "--results", str(tmp_path)) as study:
        study.wait_for(" starts (")
        (os.killpg if how == signal.SIGINT else os.kill)(study.process.pid, how)
        assert study.wait(limit_s=60) == 130, study.text()
        assert study.survivors() == []
    assert f"interrupted; go on with: python -m study.run --resume mini --results {tmp_path}" in study.text()
    assert "Traceback" not in study.text()
    assert "*** SIG" not in study.text()  # Ray's dump of a stack


def test_hung_and_killed_processes_are_replaced_and_no_score_differs(undisturbed: Path, tmp_path: Path) -> None:
    arguments = (str(write_mini(tmp_path)), "--results", str(tmp_path), "--set", "cluster.hang_timeout_s=6")
    with StudyProcess(tmp_path / "study.out", *arguments) as study:
        study.wait_for(f"{default_run(parse(MINI, 'MINI'), 'constant', 'control').key} at 2 steps")
        hung = study.strike("RayTrainWorker", signal.SIGSTOP)
        study.wait_for("hung: ")
        study.wait_for_more(" at ")
        study.strike("RayTrainWorker", signal.SIGKILL)
        study.wait_for_more(" at ")
        study.strike("ImplicitFunc", signal.SIGKILL)  # the process of Tune's trials
        assert study.wait() == 0, study.text()
        assert study.survivors() == []
    (said,) = re.findall(r"hung: (.*)", study.text())
    assert re.match(
        rf"worker [01] \(process {hung} on \S+\) gave no sign of life for 6 s after step \d, stopped: ", said
    )
    pd.testing.assert_frame_equal(values(rows_of(tmp_path)), values(rows_of(undisturbed)))
