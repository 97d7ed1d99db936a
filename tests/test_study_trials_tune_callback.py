"""What the driver does when Tune goes on; whole studies are in test_study_interruptions.py."""

import math
from pathlib import Path
from typing import Any

import pytest

from study.progress import Reporter
from study.spec.files import parse
from study.tracking.tracker import Tracker
from study.trials import tune_callback
from study.trials.tune_callback import StudyCallback
from tests.studies import MINI


def test_a_study_without_a_node_ends_and_one_with_a_node_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes: list[dict[str, Any]] = [{"Alive": False}, {"Alive": True}]
    monkeypatch.setattr(tune_callback.ray, "nodes", lambda: nodes)
    spec = parse({**MINI, "results": str(tmp_path)}, "a test")
    callback = StudyCallback(spec, tmp_path, Reporter(tmp_path, 1, 1), Tracker(spec, tmp_path, "id", print))
    callback._looked_at = -math.inf
    callback.on_step_begin(0, [])
    nodes.pop()
    callback.on_step_begin(1, [])  # it is not time to look yet
    callback._looked_at = -math.inf
    with pytest.raises(RuntimeError, match="every node of the Ray cluster is lost"):
        callback.on_step_begin(2, [])
