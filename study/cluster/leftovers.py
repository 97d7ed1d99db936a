"""Room that a dead trial's group of workers holds for ever, given back.

Ray frees it once a group has started; the room of a trial that dies while its group is still starting stays taken, and
the next group waits for it in vain.
"""

import time
from contextlib import suppress
from pathlib import Path

from study.cluster.heart import HEARTS
from study.cluster.room import SCOUT

_EVERY_S = 10.0
_HEAD = "node:__internal_head__"  # in what Tune holds for its trials


class Leftovers:
    """Looks for placement groups of this study in which nobody lives; what is empty at two looks is given back."""

    def __init__(self, desk: Path) -> None:
        self._desk = desk
        self._empty: set[str] = set()
        self._looked_at = time.monotonic()

    def look(self) -> None:
        """Look, if it is time to, and if no worker of the group at this desk has come up yet: it may wait for room."""
        if time.monotonic() - self._looked_at < _EVERY_S:
            return
        self._looked_at = time.monotonic()
        if any(self._desk.glob(HEARTS)):
            return
        from ray.util.state.exception import RayStateApiException

        with suppress(RayStateApiException):  # the dashboard is busy; it is asked again
            self.sweep()

    def sweep(self) -> None:
        """Give back what was empty at the last look and still is."""
        from ray._raylet import PlacementGroupID
        from ray.util.placement_group import PlacementGroup, remove_placement_group

        empty = _held() - _lived_in()
        for group in empty & self._empty:
            remove_placement_group(PlacementGroup(PlacementGroupID.from_hex(group)))
        self._empty = empty


def _held() -> set[str]:
    import ray
    from ray.util.state import list_placement_groups

    ours = ("creator_job_id", "=", ray.get_runtime_context().get_job_id())
    created = ("state", "=", "CREATED")
    found = list_placement_groups(address=_address(), filters=[ours, created], detail=True, limit=10_000)
    return {
        group.placement_group_id
        for group in found
        if not any(_HEAD in bundle["unit_resources"] for bundle in group.bundles)
        and not group.name.startswith(SCOUT)  # it is to be empty, and `study.cluster.room` looks after it
    }


def _lived_in() -> set[str]:
    from ray.util.state import list_actors

    alive = list_actors(address=_address(), filters=[("state", "!=", "DEAD")], detail=True, limit=10_000)
    return {actor.placement_group_id for actor in alive if actor.placement_group_id}


def _address() -> str:
    """Return whom to ask: Ray itself would look for clusters, and give up where there are two on a machine."""
    import ray

    return str(ray.get_runtime_context().gcs_address)
