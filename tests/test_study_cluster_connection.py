"""How many trials fit, when not even one does, and how long nodes are waited for."""

import re
import socket

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config

from curricula import InputError
from study.cluster.connection import (
    check_address,
    connected,
    nodes_kept_by,
    promised_by,
    trials_at_once,
    wait_for_nodes,
)
from study.spec.study import ClusterSpec
from tests.studies import ROOT

CLUSTERS = ROOT / "study" / "cluster"

TABLE = [
    # workers, CPUs and GPUs a worker, asked at once, machine, trials at once
    (2, 1.0, 0.0, 1, {"CPU": 2, "GPU": 0}, 1),
    (2, 1.0, 0.0, 0, {"CPU": 9, "GPU": 0}, 4),
    (2, 0.5, 0.0, 0, {"CPU": 2, "GPU": 0}, 2),
    (2, 1.0, 0.0, 3, {"CPU": 64, "GPU": 0}, 3),
    (2, 1.0, 0.5, 0, {"CPU": 64, "GPU": 4}, 4),
    (4, 8.0, 1.0, 0, {"CPU": 64, "GPU": 16}, 2),
]


@pytest.mark.parametrize(("workers", "cpus", "gpus", "asked", "machine", "expected"), TABLE)
def test_trials_at_once(
    workers: int, cpus: float, gpus: float, asked: int, machine: dict[str, float], expected: int
) -> None:
    spec = ClusterSpec(workers=workers, cpus_per_worker=cpus, gpus_per_worker=gpus, concurrent_trials=asked)
    assert trials_at_once(spec, machine) == expected


@pytest.mark.parametrize(
    ("cpus", "gpus", "said"),
    [
        (2.0, 0.0, "cluster.workers=2 x 2 CPU a worker = 4 CPUs, and there are 3"),
        (1.0, 1.0, "cluster.workers=2 x 1 GPU a worker = 2 GPUs, and there are 1"),
    ],
)
def test_a_trial_that_never_fits_is_refused(cpus: float, gpus: float, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        trials_at_once(ClusterSpec(cpus_per_worker=cpus, gpus_per_worker=gpus), {"CPU": 3, "GPU": 1})


def test_an_autoscaled_cluster_counts_at_its_largest() -> None:
    config = {
        "head_node_type": "head",
        "available_node_types": {
            "head": {"resources": {"CPU": 0}},
            "gpu": {"resources": {"CPU": 16, "GPU": 4}, "max_workers": 3},
        },
    }
    assert promised_by(config) == {"CPU": 48.0, "GPU": 12.0}


def test_an_address_at_which_nobody_answers_is_refused() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(InputError, match=f"but {address} does not answer"):
            check_address(address)
    check_address("auto")


def test_what_ray_cannot_connect_to_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "nowhere")
    with pytest.raises(InputError, match="Ray at nowhere cannot be used"), connected(ClusterSpec()):
        pass


def test_a_study_counts_on_the_nodes_that_a_cluster_always_keeps() -> None:
    assert nodes_kept_by({}) == 1
    assert nodes_kept_by(prepare_config(yaml.safe_load((CLUSTERS / "on_premises.yaml").read_text()))) == 3
    assert nodes_kept_by(yaml.safe_load((ROOT / "cluster.yaml").read_text())) == 1


class FakeRay:
    """A cluster that a node joins at each look, up to some number, and a clock that shows the looks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
        self.looks, self._largest = 0, largest
        monkeypatch.setattr("ray.nodes", self._nodes)
        monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": float(self.joined - 1)})
        monkeypatch.setenv("RAY_ADDRESS", "auto")
        monkeypatch.setattr("study.cluster.connection.time", self)

    @property
    def joined(self) -> int:
        return min(self.looks, self._largest)

    def _nodes(self) -> list[dict[str, bool]]:
        self.looks += 1
        return [{"Alive": number < self.joined} for number in range(9)]

    def monotonic(self) -> float:
        return float(self.looks)

    def sleep(self, seconds: float) -> None:
        assert seconds == 1


@pytest.mark.parametrize(
    ("joining", "seconds"),
    [
        (5, 5),  # all
        (3, 121),  # a trial has room: what is broken does not hold it up for long
        (2, 901),  # it has none
    ],
)
def test_nodes_on_their_way_are_waited_for(monkeypatch: pytest.MonkeyPatch, joining: int, seconds: int) -> None:
    cluster, said = FakeRay(monkeypatch, joining), list[str]()
    wait_for_nodes(ClusterSpec(workers=2), 5, said.append)
    assert abs(cluster.looks - seconds) <= 1
    assert said == ["1 of 5 nodes of the cluster are there; waiting for the others"]
