"""A group whose maker died while it was starting gives its room back; one in which somebody lives keeps it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.util.placement_group import placement_group, placement_group_table
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from study.cluster import connection
from study.cluster.leftovers import Leftovers
from study.cluster.room import SCOUT
from study.spec.study import ClusterSpec


class Maker:
    """A controller that gets as far as a placement group."""

    def make(self) -> str:
        self.group = placement_group([{"CPU": 0.5}])
        ray.get(self.group.ready())
        return str(self.group.id.hex())

    def move_in(self) -> None:
        inside = PlacementGroupSchedulingStrategy(placement_group=self.group)
        self.worker = ray.remote(num_cpus=0.5)(Maker).options(scheduling_strategy=inside).remote()
        ray.get(self.worker.__ray_ready__.remote())


@pytest.fixture
def small_cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    before = set(os.environ)
    with connection.connected(ClusterSpec(workers=1)):
        yield
    added = os.environ.keys() - before  # some are Ray's own
    # the next study of this process may be on another cluster
    assert not [name for name in added if name.startswith(("RAY_TRAIN_", "TUNE_", "GLOO_", "NCCL_"))]


def test_what_nobody_lives_in_at_two_looks_is_given_back(small_cluster: None, tmp_path: Path) -> None:
    makers = [ray.remote(num_cpus=0)(Maker).remote() for _ in range(2)]
    starting, started = ray.get([maker.make.remote() for maker in makers])
    ray.get(makers[1].move_in.remote())
    scout = placement_group([{"CPU": 0.5}], name=f"{SCOUT}{tmp_path}/1")
    ray.get(scout.ready())
    ray.kill(makers[0])
    leftovers = Leftovers(tmp_path)
    leftovers.sweep()
    assert placement_group_table()[starting]["state"] == "CREATED"
    leftovers.sweep()
    table = placement_group_table()
    assert (table[starting]["state"], table[started]["state"]) == ("REMOVED", "CREATED")
    assert table[scout.id.hex()]["state"] == "CREATED"  # nobody is to live there
