"""What a group does with the requests on its desk; whole studies, on real groups, are in test_study_demo.py."""

import json
from pathlib import Path
from typing import Any

import pytest

from study.group import Report, serve
from study.runs import Run
from tests.runs import ALONE


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
