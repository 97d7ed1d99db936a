"""A study whose cluster gains and loses a node while a trial trains: it always has the workers there is room for."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from ray.cluster_utils import Cluster

from study import sessions
from study.runs import data_settings, default_run
from study.spec.files import parse
from study.store import PRETRAINING, Store
from tests.browser import free_port
from tests.runs import ALONE
from tests.studies import MINI, StudyProcess
from trainers import data
from trainers.pretraining import checkpoint
from trainers.pretraining.clock import Clock
from trainers.pretraining.loop import Reached, pretrain
from trainers.pretraining.shares import Shares

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
STEPS, EVERY, COMPARED = 1000, 50, 400
SPEC: dict[str, Any] = {
    **MINI,
    "pretraining": {
        **MINI["pretraining"],
        "length": 64,
        "batch": 16,
        "budgets": [2, STEPS],
        "learning_rate": 5e-4,  # so low that rounding does not grow
        "validate_every": 100,
        "checkpoint_every": EVERY,
    },
    "curricula": {},
    "search": {"trials": 0},
    "cluster": {"workers": 2, "min_workers": 1},
}
RUN = default_run(parse(SPEC, "SPEC"), "constant", "control")


@dataclass
class Told:
    """A study that began with one worker, grew to two, and ended with one."""

    folder: Path
    said: str
    alone: dict[int, Reached]  # by step, the same training by one process from the first on
    masked: int  # tokens that one process would mask up to the last step

    @property
    def rows(self) -> pd.DataFrame:
        return Store(self.folder).rows()

    def training(self, budget: int) -> "pd.Series[float]":
        """Return what the training of `constant` told at a budget, by metric."""
        rows = self.rows
        own = rows[(rows["run"] == RUN.key) & (rows["budget"] == budget) & (rows["task"] == PRETRAINING)]
        return own.set_index("metric")["value"]


@pytest.fixture(scope="module")
def small_cluster() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLOO_SOCKET_IFNAME", "lo")
        head = {"num_cpus": 0, "include_dashboard": True, "dashboard_port": free_port()}
        made = Cluster(initialize_head=True, head_node_args=head)
        made.add_node(num_cpus=1)
        yield made
    made.shutdown()


def wait_for_step(study: StudyProcess, step: int) -> None:
    path = study.output.parent / "mini" / "runs" / RUN.key / "progress"
    until = time.monotonic() + 300
    while int(path.read_text() or 0) < step:
        assert study.process.poll() is None, study.text()
        assert time.monotonic() < until, study.text()
        time.sleep(0.02)


def alone(folder: Path) -> tuple[dict[int, Reached], int]:
    """Train as the study did, in this process and not so long; return also what would be masked in all."""
    spec = parse(SPEC, "SPEC")
    loaded, sha256 = data.load(data_settings(spec), folder)
    settings = RUN.settings(spec, STEPS, sha256)
    reached = {one.state.step: one for one in pretrain(settings, loaded, [2, COMPARED], folder / "alone", ALONE)}
    shares, clock = Shares(settings, loaded, ALONE), Clock(ALONE.device)
    return reached, sum(int(shares.at(step, (), clock).counts()[0]) for step in range(STEPS))


@pytest.fixture(scope="module")
def told(small_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Told:
    results = tmp_path_factory.mktemp("elastic")
    (results / "mini.yaml").write_text(yaml.safe_dump(SPEC))
    arguments = (str(results / "mini.yaml"), "--results", str(results))
    address = {"RAY_ADDRESS": small_cluster.address}
    with StudyProcess(results / "study.out", *arguments, environment=address) as study:
        study.wait_for(f"{RUN.key} at 2 steps")
        node = small_cluster.add_node(num_cpus=1)
        study.wait_for("all left at step ")
        (left_at,) = map(int, re.findall(r"all left at step (\d+)", study.text()))
        study.wait_for("workers of the trial from here on: 2 instead of 1")
        wait_for_step(study, left_at + 2 * EVERY)
        small_cluster.remove_node(node, allow_graceful=False)
        study.wait_for("workers of the trial from here on: 1 instead of 2")
        assert study.wait() == 0, study.text()
    return Told(results / "mini", study.text(), *alone(results / "mini"))


def test_workers_come_and_go_with_the_nodes_and_nobody_is_blamed_for_it(told: Told) -> None:
    lines = [
        line for line in told.said.splitlines() if re.search(r" at \d+ steps: |workers of the trial|left at", line)
    ]
    expected = [
        r"random_init\S+ at 0 steps: .* \(1 DDP workers over gloo, .*",
        rf"{RUN.key} at 2 steps: .* \(1 DDP workers over gloo, .*",
        r"there is room for another number of workers: all left at step \d+, and another group goes on there",
        "workers of the trial from here on: 2 instead of 1",
        "workers of the trial from here on: 1 instead of 2",
        rf"{RUN.key} at {STEPS} steps: .* \(1 DDP workers over gloo, .*",
    ]
    assert len(lines) == len(expected), lines
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), line
    assert "hung: " not in told.said
    assert "0 of 2 trials" not in told.said
    assert not (told.folder / "runs" / RUN.key / "failure.json").exists()


def test_nothing_is_scored_or_trained_twice(told: Told) -> None:
    rows = told.rows
    assert not rows.duplicated(["run", "budget", "fidelity", "task", "repetition", "split", "metric"]).any()
    scored = rows[rows["task"] != PRETRAINING].groupby(["curriculum", "budget"])["repetition"].agg(set)
    assert dict(scored) == {("random_init", 0): {0, 1}, ("constant", 2): {0, 1}, ("constant", STEPS): {0, 1}}


def test_batches_and_masks_are_those_of_one_process(told: Told) -> None:
    early, last = told.training(2), told.training(STEPS)
    assert early["validation_loss"] == pytest.approx(told.alone[2].validation_loss, abs=1e-5)
    assert last["masked_tokens"] == told.masked
    assert last["tokens"] == STEPS * 16 * 64
    measured = checkpoint.evaluations(told.folder / "runs" / RUN.key / f"checkpoints-{STEPS}")
    perplexities = {one.step: one.perplexity for one in measured if one.step < COMPARED}
    expected = {one.step: one.perplexity for one in told.alone[COMPARED].state.evaluations}
    assert perplexities == pytest.approx(expected, rel=1e-4)
    assert len(measured) == STEPS / 100


def test_each_worker_is_paid_for_as_long_as_it_was_there(told: Told) -> None:
    assert [told.training(budget)["workers"] for budget in (2, STEPS)] == [1, 1]
    early, last = told.training(2), told.training(STEPS)
    assert early["worker_hours"] == pytest.approx(early["train_seconds"] / 3600)
    assert 1.01 < last["worker_hours"] / (last["train_seconds"] / 3600) < 1.99
    (session,) = (told.folder / "sessions").iterdir()
    assert 1.01 < yaml.safe_load(session.read_text())["workers"] < 1.99
    assert sessions.held(told.folder) > last["worker_hours"]
