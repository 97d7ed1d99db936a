"""What the driver does when Tune hears from a trial: show it, log it, and let it go on."""

import json
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune

from study.cluster.disk import DiskFullError
from study.folder import how_it_ended
from study.progress import Reporter, in_words
from study.runs import run_of
from study.spec.study import StudySpec
from study.tracking.tracker import Tracker
from study.trials.messages import FULL as DISK_FULL
from study.trials.messages import GO_ON, IN_WORDS, STOP, decision_path
from trainers.files import written

_LOOK_S = 5.0


class StudyCallback(tune.Callback):  # type: ignore[misc]  # Ray has no types for mypy
    """Follows the trials of one phase of a study."""

    def __init__(self, spec: StudySpec, folder: Path, reporter: Reporter, tracker: Tracker) -> None:
        self._spec, self._folder, self._reporter, self._tracker = spec, folder, reporter, tracker
        self._looked_at = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks, and this one is never restored (a study resumes from its rows)."""
        return {}

    def _key(self, trial: Any) -> str:
        return run_of(trial.config, self._spec).key

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Look now and then whether there is a node left; Tune would wait for one for ever.

        Raises:
            RuntimeError: there is none.
        """
        if time.monotonic() - self._looked_at < _LOOK_S:
            return
        self._looked_at = time.monotonic()
        if not any(node["Alive"] for node in ray.nodes()):
            raise RuntimeError("every node of the Ray cluster is lost")

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Remember what the run is, so that it can be repeated with another seed."""
        run = run_of(trial.config, self._spec)
        written(self._folder / "runs" / run.key / "run.json", json.dumps(run.to_dict()))
        self._reporter.reached(run.key, 0)
        chosen = self._spec.chosen(run.curriculum, run.parameters())
        parameters = ", ".join(f"{name}={in_words(value)}" for name, value in chosen.items())
        self._reporter.say(f"{run.key} starts ({run.role}; {parameters or 'no pretraining'})")

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Show and log a scored budget; unless Tune stops the trial here, allow it the next one.

        Raises:
            DiskFullError: the trial found no room to write.
        """
        if DISK_FULL in result:
            raise DiskFullError(f"{result['run']} could not be stored")
        key, budget = result["run"], result["budget"]
        if "failure" in result:
            self._reporter.say(f"{key} has no score at {budget} steps: {result['failure']}")
            return
        self._reporter.reached(key, budget)
        self._reporter.say(f"{key} at {budget} steps: {result[IN_WORDS]}{_group(result)}")
        self._tracker.log_run(key)
        written(decision_path(self._folder, key, budget), STOP if result.get("done") else GO_ON)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note that a trial ended by itself or was stopped by ASHA."""
        key = self._key(trial)
        (self._folder / "runs" / key / "ended").touch()
        self._reporter.done(key)
        self._tracker.end_run(key, how_it_ended(self._folder, key) or "FINISHED")
        self._reporter.say(f"{key} done; {self._reporter.summary()}")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Note that a trial failed more often than it may."""
        key = self._key(trial)
        self._reporter.done(key)
        self._reporter.failed.add(key)
        self._tracker.end_run(key, "FAILED")
        reason = str(getattr(trial, "get_error", lambda: None)() or "unknown error").strip().splitlines()[-1]
        self._reporter.say(f"{key} FAILED: {reason}")


def _group(result: dict[str, Any]) -> str:
    if "pids" not in result:
        return ""
    pids, nodes = result["pids"], result["nodes"]
    is_spread = len(set(nodes)) > 1
    processes = ", ".join(f"{pid} on {node}" if is_spread else str(pid) for pid, node in zip(pids, nodes, strict=True))
    return f" ({result['workers']} DDP workers over {result['backend']}, processes {processes})"
