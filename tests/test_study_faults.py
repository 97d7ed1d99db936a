"""One study, undisturbed, on a disk that fills up, and on a node that is taken away: its scores are the same."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from study.cluster import disk
from study.runs import default_run
from study.spec.files import parse
from study.store import Store
from tests.studies import MINI, StudyProcess, values
from trainers.pretraining import checkpoint

pytestmark = pytest.mark.timeout(900)
STEPS = 600
SPEC = {  # long enough for something to happen to it while it trains; no checkpoint before the end
    **MINI,
    "pretraining": {**MINI["pretraining"], "budgets": [2, STEPS], "validate_every": 50, "checkpoint_every": 0},
    "curricula": {},
    "search": {"trials": 0},
}


def start(spec: Path, results: Path) -> StudyProcess:
    return StudyProcess(results / "study.out", str(spec), "--results", str(results))


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spec") / "mini.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    return path


@pytest.fixture(scope="module")
def undisturbed(spec: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudyProcess]:
    """Give a study that nothing happens to; it may still be running."""
    with start(spec, tmp_path_factory.mktemp("undisturbed")) as study:
        yield study


def assert_scores_equal(results: Path, undisturbed: StudyProcess) -> None:
    assert undisturbed.wait() == 0, undisturbed.text()
    rows = [values(Store(folder / "mini").rows()) for folder in (results, undisturbed.output.parent)]
    assert set(rows[0]["budget"]) == {0, 2, STEPS}
    pd.testing.assert_frame_equal(*rows)


def test_after_notice_a_run_goes_on_where_it_left(undisturbed: StudyProcess, spec: Path, tmp_path: Path) -> None:
    run = default_run(parse(SPEC, "SPEC"), "constant", "control").key
    trained = tmp_path / "mini" / "runs" / run
    with start(spec, tmp_path) as study:
        study.wait_for(f"{run} at 2 steps")
        until = time.monotonic() + 300
        while int((trained / "progress").read_text() or 0) < 100:
            assert time.monotonic() < until
            time.sleep(0.05)
        study.strike("RayTrainWorker", signal.SIGTERM)
        study.wait_for("had notice: all left at step")
        (left_at,) = map(int, re.findall(r"all left at step (\d+), and another group goes on there", study.text()))
        assert 100 <= left_at < STEPS
        assert checkpoint.complete(trained / f"checkpoints-{STEPS}") == [2, left_at]
        assert study.wait() == 0, study.text()
        assert study.survivors() == []
    assert_scores_equal(tmp_path, undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of some megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, left: int) -> Path:
    """Write until some bytes are left."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, int(disk.free(folder)) - left)
    return ballast


def test_a_disk_that_fills_up_stops_a_study_in_one_line_and_it_goes_on_with_room(
    undisturbed: StudyProcess, spec: Path, small_disk: Path, tmp_path: Path
) -> None:
    elsewhere = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}  # so that it is a worker that finds no room
    with StudyProcess(tmp_path / "full.out", str(spec), "--results", str(small_disk), environment=elsewhere) as study:
        study.wait_for("constant-s0-")  # it starts
        ballast = fill(small_disk, left=2_500_000)  # for the checkpoint of the first budget and not for another
        assert study.wait() == 1, study.text()
        assert study.survivors() == []
    (line,) = [line for line in study.text().splitlines() if "full" in line]
    resume = f"python -m study.run --resume mini --results {small_disk}"
    assert re.fullmatch(rf"the disk of {small_disk}/mini is full \(\S+ \w?B free\): make room, .*: {resume}", line)
    assert "Traceback" not in study.text()
    assert study.text().rstrip().endswith(line)

    arguments = ("--resume", "mini", "--results", str(small_disk))
    with StudyProcess(tmp_path / "still.out", *arguments) as still:
        assert still.wait() == 2, still.text()
    assert re.fullmatch(rf"error: the checkpoints of mini need .* but {small_disk} has .* free: .*\n", still.text())
    ballast.unlink()
    with StudyProcess(tmp_path / "resumed.out", *arguments) as resumed:
        assert resumed.wait() == 0, resumed.text()
    assert_scores_equal(small_disk, undisturbed)
