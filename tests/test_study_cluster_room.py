"""How many workers a group may have, and two groups that share a cluster whose nodes come and go."""

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import ray
from hypothesis import given
from hypothesis import strategies as some
from ray.cluster_utils import Cluster
from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group

from study.cluster import connection, room
from study.cluster.room import SCOUT, Room, share
from study.spec.study import ClusterSpec

PATIENCE = 60
HELD = {"num_cpus": 0, "include_dashboard": False}


@given(some.integers(0, 40), some.integers(1, 6), some.integers(1, 5), some.integers(0, 5))
def test_shares_use_all_the_room_and_no_more_unless_it_is_less_than_the_fewest(
    there: int, groups: int, fewest: int, further: int
) -> None:
    spec = ClusterSpec(workers=fewest + further, min_workers=fewest)
    shares = [share(there, groups, place, spec) for place in range(groups)]
    assert all(fewest <= one <= spec.workers for one in shares)
    assert shares == sorted(shares, reverse=True)
    if there >= groups * fewest:
        assert sum(shares) == min(there, groups * spec.workers)
    else:
        assert set(shares) == {fewest}


@given(some.integers(1, 5), some.integers(0, 5), some.integers(1, 60), some.integers(0, 9))
def test_trials_at_once_have_all_their_workers_where_all_nodes_are_there(
    fewest: int, further: int, cpus: int, asked: int
) -> None:
    spec = ClusterSpec(workers=fewest + further, min_workers=fewest, concurrent_trials=asked)
    if cpus < fewest:
        with pytest.raises(connection.InputError, match=re.escape(f"cluster.min_workers={fewest} x 1 CPU a worker")):
            connection.trials_at_once(spec, {"CPU": cpus, "GPU": 0})
        return
    trials = connection.trials_at_once(spec, {"CPU": cpus, "GPU": 0})
    assert 1 <= trials <= (asked or trials)
    assert [share(cpus, trials, place, spec) for place in range(trials)] == [min(cpus, spec.workers)] * trials


class Held:
    """A group of workers that only takes room."""

    def __init__(self, desk: Path, spec: ClusterSpec) -> None:
        desk.mkdir(parents=True)
        self.desk, self.room = desk, Room(desk, spec)
        self._group: Any = None
        self.workers = 0

    def come_back(self, beside: "Held", anew: bool = False) -> int:
        """Leave and start again while another group is at work, which goes on looking; return the workers."""
        self.end()
        with ThreadPoolExecutor() as pool:
            starts = pool.submit(self.start, anew)
            wait_until(lambda: beside.is_called() or starts.done())
            starts.result(timeout=PATIENCE)
        assert not beside.room.call.exists()
        return self.workers

    def start(self, anew: bool = False) -> None:
        self.workers = self.room.take(anew)
        self._group = placement_group([{"CPU": 1.0}] * self.workers)
        ray.get(self._group.ready(), timeout=PATIENCE)
        (self.desk / "heart-0").touch()

    def end(self) -> None:
        (self.desk / "heart-0").unlink()
        remove_placement_group(self._group)

    def is_called(self) -> bool:
        self.room.look()
        return self.room.call.exists()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_health_check_period_ms", "500")  # a lost node is missed sooner than after 15 s
        made = Cluster(initialize_head=True, head_node_args=HELD)
    made.add_node(num_cpus=2)
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_LOOK_S", 0.1)
    monkeypatch.setattr(room, "_SETTLE_S", 2.0)


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def scouts() -> list[dict[str, Any]]:
    table = placement_group_table().values()
    return [one for one in table if one["name"].startswith(SCOUT) and one["state"] != "REMOVED"]


def owners() -> set[Path]:
    return {Path(one["name"].removeprefix(SCOUT)).parent for one in scouts()}


def test_groups_share_what_there_is_as_nodes_and_groups_come_and_go(
    nodes: Cluster, quick: None, tmp_path: Path
) -> None:
    spec = ClusterSpec(workers=2, min_workers=1)
    first = Held(tmp_path / "first", spec)
    first.start()
    assert first.workers == 2
    second = Held(tmp_path / "second", spec)
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(second.start)
        wait_until(first.is_called)
        first.end()
        first.start()
        waits.result(timeout=PATIENCE)
    assert (first.workers, second.workers) == (1, 1)

    node = nodes.add_node(num_cpus=1)
    wait_until(lambda: first.is_called() or second.is_called())  # the scouts of both wait for it
    assert not second.is_called()
    # what the first leaves for a moment, a scout of the second may find, and gives back
    assert first.come_back(beside=second) == 2
    nodes.remove_node(node, allow_graceful=False)
    assert first.come_back(beside=second, anew=True) == 1
    wait_until(lambda: first.room.lost_nodes() == 1)

    wait_until(lambda: not first.is_called() and not second.is_called() and owners() == {first.desk, second.desk})
    sign = second.desk / "room"
    started_at, process, born = json.loads(sign.read_text())
    sign.write_text(json.dumps([started_at, process, born - 9]))  # its process is gone, and another has its number
    wait_until(lambda: not first.is_called() and owners() == {first.desk})
    second.end()
    wait_until(first.is_called)
    first.end()
    first.start()
    assert first.workers == 2
    first.end()
    first.room.close()


def test_a_group_of_fixed_size_is_left_to_ray_and_sends_no_scouts(nodes: Cluster, tmp_path: Path) -> None:
    fixed = Room(tmp_path, ClusterSpec(workers=64))
    assert fixed.take(anew=False) == 64
    fixed.look()
    assert not fixed.call.exists()
    node = nodes.add_node(num_cpus=1)
    wait_until(lambda: node.node_id in {one["NodeID"] for one in ray.nodes() if one["Alive"]})
    fixed._looked_at = 0.0
    fixed.look()
    nodes.remove_node(node, allow_graceful=False)
    wait_until(lambda: node.node_id not in {one["NodeID"] for one in ray.nodes() if one["Alive"]})
    assert fixed.lost_nodes() == 1  # it came after the group, and is gone
    assert scouts() == []


def test_who_finds_no_room_for_its_fewest_workers_says_so_and_leaves_no_scout(
    nodes: Cluster, quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_PATIENCE_S", 2.0)
    large = Room(tmp_path, ClusterSpec(workers=9, min_workers=8))
    with pytest.raises(TimeoutError, match="the cluster had no room for 8 workers in 2 s"):
        large.take(anew=False)
    large.close()
    large.look()
    wait_until(lambda: scouts() == [])
