"""What a group does with the requests on its desk; whole studies, on real groups, are in test_study_demo.py."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.train.v2.api.exceptions import WorkerGroupError

from study.runs import Run
from study.spec.files import parse
from study.trials.group import Group, Report, serve
from tests.runs import ALONE
from tests.studies import MINI


class NoMoreWorkError(Exception):
    """Ends the group, as Ray does."""


class Hand:
    """Reports two budgets of every run; fails once, behind the first budget of one of them."""

    def __init__(self, last: str, fails_at: str = "") -> None:
        self.done: list[str] = []
        self._last, self._fails_at = last, fails_at

    def __call__(self, run: Run, report: Report) -> None:
        report({"budget": 5, "run": run.curriculum})
        if run.curriculum == self._fails_at:
            self._fails_at = ""
            raise NoMoreWorkError
        report({"budget": 1000, "run": run.curriculum})
        self.done.append(run.curriculum)
        if run.curriculum == self._last:
            raise NoMoreWorkError


def ask(desk: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (desk / f"request-{number}.json").write_text(json.dumps(Run("control", name, {}, {}, 0).to_dict()))


def reports(desk: Path, number: int) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(desk.glob(f"report-{number}-*.json"))]


def test_requests_are_done_in_their_order_and_reported_by_budget(tmp_path: Path) -> None:
    ask(tmp_path, "constant", "linear")
    hand = Hand(last="linear")
    with pytest.raises(NoMoreWorkError):
        serve(tmp_path, ALONE, hand)
    assert hand.done == ["constant", "linear"]
    assert reports(tmp_path, 0) == [{"budget": 5, "run": "constant"}, {"budget": 1000, "run": "constant"}]
    assert reports(tmp_path, 1) == [{"budget": 5, "run": "linear"}, {"budget": 1000, "run": "linear"}]
    assert (tmp_path / "done-0").exists()
    assert not (tmp_path / "done-1").exists()


def test_a_group_that_is_started_again_goes_on_with_what_it_was_doing(tmp_path: Path) -> None:
    ask(tmp_path, "constant", "linear", "step")
    hand = Hand(last="step", fails_at="linear")
    for _ in range(2):
        with pytest.raises(NoMoreWorkError):
            serve(tmp_path, ALONE, hand)
    assert hand.done == ["constant", "linear", "step"]
    assert len(reports(tmp_path, 1)) == 2


FAILS, FULL = "a worker died", "OSError: [Errno 28] No space left on device"


class Troubled(Group):
    """A group that is ended at each start, by an error or by a step at which all leave, and then waits for ever."""

    def __init__(self, folder: Path, ends: list[str | int]) -> None:
        self.left = list(ends)
        super().__init__(parse(MINI, "MINI").model_dump_json(), folder)

    def _trainer(self, attempt: int, workers: int) -> Any:
        assert workers == 2
        return self

    def fit(self) -> Any:
        end = self.left.pop(0)
        if isinstance(end, str):
            raise WorkerGroupError(end, {})
        return SimpleNamespace(return_value=end)


@pytest.mark.parametrize(
    ("ends", "lost", "never_started"),
    [
        ([FAILS] * 5, 0, 2),  # the first time, and as often as `cluster.max_failures`
        ([FAILS, 10, FAILS, 20, FAILS, 30], 0, 1),  # who was told to leave has not failed
        ([FAILS] * 5, 1, 1),  # a node that is lost is nobody's failure
        ([FULL, FAILS], 0, 1),  # in vain
    ],
)
def test_a_group_is_started_again_as_often_as_it_may_fail(
    ends: list[str | int], lost: int, never_started: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [{"NodeID": str(node), "Alive": True} for node in range(3)]
    gone = [{**node, "Alive": int(node["NodeID"]) >= lost} for node in there]
    looks = iter([there])
    monkeypatch.setattr("ray.nodes", lambda: next(looks, gone))
    (tmp_path / "scratch").mkdir()
    group = Troubled(tmp_path, ends)
    with pytest.raises(WorkerGroupError):
        list(group.do(Run("control", "constant", {}, {}, 0)))
    assert len(group.left) == never_started
