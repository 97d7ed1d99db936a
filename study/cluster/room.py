"""Room for a group of DDP workers: as many as it finds, between `cluster.min_workers` and `cluster.workers`.

Scouts look for it: placement groups for one worker each, with nobody in them. They wait in Ray's queue, so that an
autoscaler brings nodes for them; they are placed only where there is room, whatever else runs on the cluster; and they
hold it until the group starts there.

    no group at work        a scout for each worker         `min_workers` are placed, and for a while no more of them:
                                                            they make way for a group
    a group is at work      a scout for each that it lacks  one is placed, and for a while no more of them:
                                                            the group is called away, and comes back larger

Ray's own elastic training would kill a group that is to grow, and the steps since its last checkpoint with it; counts
nodes that are lost for 20 s more; and serves groups by their age, so that one may wait for as long as another lives.
Here, all groups of a study share the nodes that are there: who has more than its share gives up the rest.
"""

import json
import os
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from study.cluster import connection
from study.cluster.heart import HEARTS
from study.spec.study import ClusterSpec
from trainers.files import written

SCOUT = "scout of "  # begins the names of such placement groups; the desk of their group follows
_LOOK_S, _SETTLE_S = 1.0, 5.0
_PATIENCE_S = 3600.0  # what Ray allows a group of fixed size in all, over its failures


def share(room: int, groups: int, place: int, spec: ClusterSpec) -> int:
    """Return how many workers a group may have, so that all that are there find room.

    Args:
        room: Workers that fit the nodes which are there.
        groups: At work or waiting.
        place: Of this group among them, from 0; the first ones have what does not divide.
        spec: How many workers any group may have.
    """
    even, rest = divmod(room, groups)
    return min(max(even + (place < rest), spec.fewest), spec.workers)


class Room:
    """Finds room for one group after the other of a desk."""

    def __init__(self, desk: Path, spec: ClusterSpec) -> None:
        """Find none yet.

        Args:
            desk: Of the group, beside those of the study's other groups.
            spec: What a group needs.
        """
        self._desk, self._spec = desk, spec
        self._sign = desk / "room"  # says in which process the group is looked after, and since when
        self._scouts: dict[str, Any] = {}
        self._workers = 0
        self._wanted, self._wanted_since = 0, 0.0
        self._looked_at = time.monotonic()
        self._lock = threading.RLock()  # `take` and `look` are of two threads
        self._known_nodes: set[str] = set()
        self.lost_nodes()
        written(self._sign, json.dumps([time.time(), os.getpid(), psutil.Process().create_time()]))
        self.call = desk / "leave"  # is there where the group at work is to leave

    def take(self, anew: bool) -> int:
        """Wait until there is room for a group, and make way for it; return how many workers it will have.

        Args:
            anew: Forget what was found before: it may have gone with what ended the last group.

        Raises:
            TimeoutError: there was none for an hour.
        """
        if not self._spec.is_elastic:
            return self._spec.workers
        until = time.monotonic() + _PATIENCE_S
        with self._lock:
            self._workers = 0
            self._withdraw(list(self._scouts) if anew else [])
        while time.monotonic() < until:
            with self._lock:
                found = self._settled()
                if found >= self._spec.fewest:
                    self._withdraw(list(self._scouts))
                    self.lost_nodes()
                    self.call = self._desk / f"leave-{uuid.uuid4().hex[:12]}"
                    self._workers = found
                    return found
            time.sleep(_LOOK_S)
        raise TimeoutError(f"the cluster had no room for {self._spec.fewest} workers in {_PATIENCE_S:g} s")

    def look(self) -> None:
        """Look, if it is time to, whether the group at work should have another number of workers; then call it."""
        if time.monotonic() - self._looked_at < _LOOK_S:
            return
        self._looked_at = time.monotonic()
        self.lost_nodes()  # so that nodes which came later are known too, before they go
        if not self._spec.is_elastic:
            return
        with self._lock:
            # before its workers are up, a scout could be placed where they are to be
            is_up = self._workers > 0 and any(self._desk.glob(HEARTS))
            if is_up and self._settled() != self._workers:
                self.call.touch()

    def close(self) -> None:
        """Leave the room to the other groups: there will be no further one here."""
        with self._lock:
            self._workers = 0
            self._withdraw(list(self._scouts))
            self._sign.unlink(missing_ok=True)

    def lost_nodes(self) -> int:
        """Return how many of the nodes that were seen so far are gone; those that are there are seen."""
        import ray

        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        self._known_nodes |= alive
        return len(self._known_nodes - alive)

    def _settled(self) -> int:
        """Return how many workers there should be, where that has not changed for a while; otherwise how many are."""
        wanted = self._count()
        if wanted != self._wanted:
            self._wanted, self._wanted_since = wanted, time.monotonic()
        is_settled = wanted == self._spec.workers or time.monotonic() - self._wanted_since > _SETTLE_S
        return wanted if is_settled else self._workers

    def _count(self) -> int:
        """Send scouts out for what is lacking; return how many workers there should be."""
        from ray.util.placement_group import placement_group_table

        groups, table = self._groups(), placement_group_table()
        self._sweep(table, groups)
        states = {key: table.get(key, {}).get("state") for key in self._scouts}
        self._withdraw([key for key, state in states.items() if state in (None, "REMOVED")])
        placed = [key for key, state in states.items() if state == "CREATED"]
        most = share(connection.room(self._spec), len(groups), groups.index(self._desk), self._spec)
        surplus = max(0, self._workers + len(placed) - most)
        self._withdraw(placed[:surplus])
        if not surplus:  # or the room of those withdrawn would be taken again before others have it
            self._send(self._spec.workers - self._workers - len(self._scouts))
        return min(self._workers + len(placed), most)

    def _groups(self) -> list[Path]:
        """Return the desks of the study's groups whose processes live, all of them on this node; the oldest first."""
        since = {}
        for sign in self._desk.parent.glob("*/room"):
            with suppress(FileNotFoundError, psutil.NoSuchProcess):  # it has just ended
                started_at, process, born = json.loads(sign.read_text())
                if abs(psutil.Process(process).create_time() - born) < 1:  # or it is another one of that number
                    since[sign.parent] = started_at
        return sorted(since, key=lambda desk: since[desk])

    def _sweep(self, table: dict[str, Any], groups: list[Path]) -> None:
        """Remove the scouts of groups that are gone: Ray keeps them for as long as the study."""
        ours = f"{SCOUT}{self._desk.parent}/"
        for key, entry in table.items():
            is_ours = entry["name"].startswith(ours) and entry["state"] != "REMOVED"
            if is_ours and Path(entry["name"].removeprefix(SCOUT)).parent not in groups:
                _remove(key)

    def _send(self, count: int) -> None:
        from ray.util.placement_group import placement_group

        for _ in range(count):
            scout = placement_group([connection.needs(self._spec)], name=f"{SCOUT}{self._desk}/{uuid.uuid4().hex[:12]}")
            self._scouts[scout.id.hex()] = scout

    def _withdraw(self, keys: list[str]) -> None:
        for key in keys:
            del self._scouts[key]
            _remove(key)


def _remove(key: str) -> None:
    from ray._raylet import PlacementGroupID
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    remove_placement_group(PlacementGroup(PlacementGroupID.from_hex(key)))
