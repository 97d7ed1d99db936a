"""One DDP group for many runs: starting one takes longer than many a run, so a trial's process keeps its own.

    trial's process                          files in `desk`                 every worker of the group
    Group.do(run) ── request-0.json ───────────────────────────────────────► serve: wait, `work(run)`
                  ◄─ report-0-100.json, report-0-200.json ... ◄───────────── (rank 0) one a budget
                  ◄─ done-0 ◄──────────────────────────────────────────────── (rank 0)
            Vigil ◄─ heart-0, heart-1 ... ◄────────────────────────────────── each, once a second; see `heart`
             Room ── leave ─────────────────────────────────────────────────► at a checkpoint, all do; see `room`
    Group.do(next run) ── request-1.json ─────────────────────────────────► ...

Files, because the study's folder is shared by all nodes anyway, and because a group that is started again after a
failure finds on the desk what it was doing.
"""

import functools
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from study.cluster import notice
from study.cluster.connection import needs
from study.cluster.disk import is_full
from study.cluster.heart import Heart, Vigil, forget_all, kill_on_its_node
from study.cluster.leftovers import Leftovers
from study.cluster.room import Room
from study.runs import Run
from study.spec.study import StudySpec
from study.trials.messages import leave_notice
from trainers.files import written

if TYPE_CHECKING:
    from trainers.workers import Workers

Report = Callable[[dict[str, Any]], None]
_GROUP_TIMEOUT_S = 1800  # a collective that waits longer has lost a worker
_LOOK_S = 0.05


class Group:
    """The DDP workers of one trial after the other; lives in the process of Tune's trials and ends with it."""

    _kept: "Group | None" = None

    def __init__(self, spec_json: str, folder: Path) -> None:
        self.identity = (spec_json, folder)
        self._desk = folder / "scratch" / "groups" / uuid.uuid4().hex[:12]
        self._desk.mkdir(parents=True)
        self._requests = 0
        self._error: BaseException | None = None
        self._cluster = StudySpec.model_validate_json(spec_json).cluster
        self._say = functools.partial(leave_notice, folder)
        self._vigil = Vigil(self._desk, self._cluster.hang_timeout_s, kill_on_its_node, self._say)
        self._leftovers = Leftovers(self._desk)
        self._room = Room(self._desk, self._cluster)
        self._thread = threading.Thread(target=self._fit, name="group", daemon=True)
        self._thread.start()

    @classmethod
    def kept(cls, spec_json: str, folder: Path) -> "Group":
        """Return the group of this process, started where there is none for this study."""
        if cls._kept is None or not cls._kept.is_alive or cls._kept.identity != (spec_json, folder):
            cls._kept = cls(spec_json, folder)
        return cls._kept

    @property
    def is_alive(self) -> bool:
        """Whether it can take another run."""
        return self._thread.is_alive()

    def do(self, run: Run) -> Iterator[dict[str, Any]]:
        """Have a run done; yield what it reports, at most once a budget.

        Raises:
            Exception: whatever ended the group, after as many restarts as the spec allows.
        """
        number, self._requests = self._requests, self._requests + 1
        written(self._desk / f"request-{number}.json", json.dumps(run.to_dict()))
        seen: set[Path] = set()
        while True:
            is_over = (self._desk / f"done-{number}").exists() or not self.is_alive  # looked at before the reports
            new = set(self._desk.glob(f"report-{number}-*.json")) - seen
            for path in sorted(new):
                yield json.loads(path.read_text())
            seen |= new
            if self._error is not None:
                raise self._error
            if is_over:
                return
            self._vigil.look()
            self._leftovers.look()
            self._room.look()
            time.sleep(_LOOK_S)

    def _fit(self) -> None:
        """Run one group after the other: one that was told to leave has not failed, nor one whose node was lost."""
        from ray.train import TrainingFailedError

        failures, before, has_failed = 0, 0, False
        try:
            for attempt in itertools.count():
                workers = self._room.take(anew=has_failed)
                if before not in (0, workers):
                    self._say(f"workers of the trial from here on: {workers} instead of {before}")
                before = workers
                try:
                    self._work(attempt, workers)
                    has_failed = False
                except TrainingFailedError as error:
                    failures, has_failed = failures + 1, True
                    if is_full(error) or failures > self._cluster.max_failures + self._room.lost_nodes():
                        raise
        except BaseException as error:  # handed over to the thread that waits for the group
            self._error = error
        finally:
            self._room.close()

    def _work(self, attempt: int, workers: int) -> None:
        """Run a group until it leaves."""
        forget_all(self._desk)
        left_at = self._trainer(attempt, workers).fit().return_value
        if left_at is None:
            raise RuntimeError("the group of DDP workers ended before its work")
        why = "there is room for another number of workers" if self._room.call.exists() else "a worker had notice"
        self._say(f"{why}: all left at step {left_at}, and another group goes on there")

    def _trainer(self, attempt: int, workers: int) -> Any:
        from ray.train.torch import TorchTrainer
        from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig

        from study.cluster.process_group import NodeTorchConfig

        spec_json, folder = self.identity
        cluster, paths = self._cluster, {"folder": folder, "desk": self._desk, "call": self._room.call}
        return TorchTrainer(
            _serve,
            train_loop_config={"spec": spec_json} | {name: str(path) for name, path in paths.items()},
            torch_config=NodeTorchConfig(
                backend="nccl" if cluster.gpus_per_worker else "gloo", timeout_s=_GROUP_TIMEOUT_S
            ),
            scaling_config=ScalingConfig(
                num_workers=workers, use_gpu=cluster.gpus_per_worker > 0, resources_per_worker=needs(cluster)
            ),
            run_config=RunConfig(
                name=f"group-{self._desk.name}-{attempt}",
                storage_path=str(folder / "scratch" / "train"),
                callbacks=[notice.listening()],
                # none is left to Ray: the next group may have another number of workers
                failure_config=FailureConfig(max_failures=0, controller_failure_limit=0, max_preemption_failures=0),
            ),
        )


def _serve(config: dict[str, Any]) -> int:
    """Work as one rank of the group; return the step at which a worker's notice made all leave.

    What loads torch is imported here, as the trial's own process need not.
    """
    import ray.train.torch

    from study.trials.scorer import set_threads
    from study.trials.worker import work
    from trainers.pretraining.notice import PreemptedError
    from trainers.workers import Workers

    spec = StudySpec.model_validate_json(config["spec"])
    set_threads(spec)
    workers = Workers.current(ray.train.torch.get_device())
    desk, folder = Path(config["desk"]), Path(config["folder"])
    look = functools.partial(notice.look_for, Path(config["call"]))
    with Heart(desk, workers.rank, ray.get_runtime_context().get_node_id(), look) as heart:
        try:
            serve(desk, workers, functools.partial(work, spec, folder, workers, heart))
        except PreemptedError as left:
            return left.step


def serve(desk: Path, workers: "Workers", work: Callable[[Run, Report], None]) -> NoReturn:
    """Do one run after the other, as one rank of a group, for as long as the group lives.

    Args:
        desk: Folder of the requests, and of what became of them.
        workers: The group.
        work: Does one run, and is given what to report with.
    """
    number = workers.gather(_first_open(desk))[0]
    while True:
        run = _request(desk, number)

        def report(result: dict[str, Any], request: int = number) -> None:
            if workers.rank == 0:
                written(desk / f"report-{request}-{result['budget']:08d}.json", json.dumps(result))

        work(run, report)
        workers.barrier()
        if workers.rank == 0:
            (desk / f"done-{number}").touch()
        number += 1


def _first_open(desk: Path) -> int:
    """Return the number of the first request that is not done: 0, or more where the group was started again."""
    return next(number for number in itertools.count() if not (desk / f"done-{number}").exists())


def _request(desk: Path, number: int) -> Run:
    """Wait for a request; a group that is not needed any more is ended by the process that started it."""
    path = desk / f"request-{number}.json"
    while not path.exists():
        time.sleep(_LOOK_S)
    return Run(**json.loads(path.read_text()))
