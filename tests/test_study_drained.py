"""A node that Ray drains, as its autoscaler does before a spot node goes: the group leaves in time, no step is lost."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from ray.cluster_utils import Cluster

from study.store import PRETRAINING, Store
from tests.studies import StudyProcess
from tests.test_study_elastic import EVERY, RUN, SPEC, STEPS, small_cluster, wait_for_step

__all__ = ["small_cluster"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def drain(address: str, node: str) -> None:
    reason = ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot", "--deadline-remaining-seconds"]
    ray = [str(Path(sys.executable).parent / "ray"), "drain-node", "--address", address, "--node-id", node]
    subprocess.run([*ray, *reason, "60"], check=True, timeout=60, capture_output=True)


def test_a_group_leaves_a_drained_node_behind_a_checkpoint_and_goes_on_elsewhere(
    small_cluster: Cluster, tmp_path: Path
) -> None:
    node = small_cluster.add_node(num_cpus=1)
    (tmp_path / "mini.yaml").write_text(yaml.safe_dump(SPEC))
    arguments = (str(tmp_path / "mini.yaml"), "--results", str(tmp_path))
    address = {"RAY_ADDRESS": small_cluster.address}
    with StudyProcess(tmp_path / "study.out", *arguments, environment=address) as study:
        study.wait_for(f"{RUN.key} at 2 steps")
        wait_for_step(study, EVERY)
        drain(small_cluster.address, node.node_id)
        study.wait_for("from here on: 1 instead of 2")
        assert study.wait() == 0, study.text()
    (left_at,) = map(int, re.findall(r"a worker had notice: all left at step (\d+)", study.text()))
    assert EVERY <= left_at < STEPS
    rows = Store(tmp_path / "mini").rows()
    own = rows[(rows["run"] == RUN.key) & (rows["budget"] == STEPS) & (rows["task"] == PRETRAINING)]
    trained: pd.Series[float] = own.set_index("metric")["value"]
    assert trained["tokens"] == STEPS * 16 * 64  # none twice, though no checkpoint was due where they left
    assert trained["workers"] == 1
    assert not rows.duplicated(["run", "budget", "fidelity", "task", "repetition", "split", "metric"]).any()
