"""What a study used, and what it held: by hand, and over interrupted sessions."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from study import sessions
from study.costs import Costs, Usage, costs, costs_by
from study.folder import create_folder
from study.runs import default_run
from study.spec.files import parse
from study.store import Store
from tests import curves
from tests.studies import MINI, ROOT


def of(worker_hours: float, held: float, money: float | None = None, gpu_hours: float = 0.0) -> Usage:
    return Usage(Costs(0.0, worker_hours, gpu_hours, 0.0, money), held)


def test_what_was_held_and_not_used_was_idle() -> None:
    assert of(3.0, 4.0).idle == 0.25
    assert of(3.0, 4.0).sentence() == "all trials together used 3 worker-hours; of 4 held, 25% were idle"
    assert of(3.0, 4.0, 7.5, 3.0).sentence() == (
        "all trials together used 3 worker-hours (7.50 in money), 3 GPU-hours; of 4 held, 25% were idle"
    )


@pytest.mark.parametrize("held", [0.0, 2.0])
def test_scores_that_another_study_computed_leave_nothing_to_say_of_idle_time(held: float) -> None:
    assert of(3.0, held).idle is None
    assert of(3.0, held).sentence() == "all trials together used 3 worker-hours"


def test_costs_of_a_study_by_hand(tmp_path: Path) -> None:
    """Each run: 1e-5 worker-hours of training, and 2 repetitions of 0.01 s; two runs, 3 money an hour."""
    spec = create_folder(parse({**MINI, "results": str(tmp_path), "cluster": {"price_per_worker_hour": 3.0}}, "test"))
    for name in ("constant", "linear"):
        curves.store(spec, default_run(spec, name, "search"), 6, 0.2, 4e9)
    found = costs(spec, Store(spec.folder()).rows())
    hours = 2 * (1e-5 + 2 * 0.01 / 3600)
    assert found.worker_hours == pytest.approx(hours)
    assert found.money == pytest.approx(3 * hours)
    assert found.flops == 8e9


def test_costs_of_runs_and_curricula_are_those_of_their_rows_alone(tmp_path: Path) -> None:
    """Branches that cool down count their own share, earlier budgets of a trunk nothing, each fidelity its time."""
    pretraining = {**MINI["pretraining"], "budgets": [2, 6], "horizon": "longest", "cooldown": 0.5}
    spec = create_folder(parse({**MINI, "results": str(tmp_path), "pretraining": pretraining}, "test"))
    for name in ("constant", "linear"):
        for budget in (2, 6):
            curves.store(spec, default_run(spec, name, "search"), budget, 0.2, budget * 1e9)
    rows = Store(spec.folder()).rows()
    rows["branch"] = "cooldown"
    cheap = rows[rows["fidelity"] == "full"].assign(fidelity="probe", seconds=1.0)
    rows = pd.concat([rows, cheap[cheap["curriculum"] == "linear"]])
    found = costs_by(spec, rows, "curriculum")
    assert found == {name: costs(spec, own) for name, own in rows.groupby("curriculum")}
    assert set(costs_by(spec, rows, "run").values()) == set(found.values())
    assert found["constant"].flops == found["linear"].flops == 7e9  # 6e9 of the longest, half of 2e9 of the branch
    full, cheaper = 4 * 0.01, 4 * 1.0  # two repetitions at two budgets
    assert found["constant"].seconds == pytest.approx(0.015 + full)
    assert found["linear"].seconds == pytest.approx(0.015 + full + cheaper)


def test_no_rows_cost_nothing() -> None:
    spec = parse(MINI, "test")
    assert costs(spec, Store(Path("nowhere")).rows()) == Costs(0.0, 0.0, 0.0, 0.0, None)


def test_sessions_add_up(tmp_path: Path) -> None:
    for workers in (2, 4):
        before = time.monotonic()
        with sessions.recorded(tmp_path, [workers].pop):  # Ray is gone at the second look: the last answer holds
            time.sleep(0.05)
        assert time.monotonic() - before < 5
    assert sessions.held(tmp_path) * 3600 >= 0.05 * 6
    assert sessions.held(tmp_path / "other") == 0


def test_a_session_holds_the_workers_that_were_there_at_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_EVERY_S", 0.05)
    there, started = [4], time.monotonic()
    with sessions.recorded(tmp_path, lambda: there[0]):
        time.sleep(0.3)
        there[0] = 0  # all nodes are lost
        time.sleep(0.6)
    assert 4 * 0.25 < sessions.held(tmp_path) * 3600 < 4 * (time.monotonic() - started - 0.3)


def test_a_killed_session_counts(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from study import sessions\n"
        "sessions._EVERY_S = 0.1\n"
        "with sessions.recorded(pathlib.Path(sys.argv[1]), lambda: 2):\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT) as process:
        until = time.monotonic() + 60
        while sessions.held(tmp_path) * 3600 < 0.4:
            assert time.monotonic() < until, "no session was written in 60 s"
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    assert sessions.held(tmp_path) * 3600 >= 0.4
