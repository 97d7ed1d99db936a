"""Schedules with the steps at which they switch, and losses over all steps, from what a run recorded."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from curricula import Evaluation, registry
from study.figures import curves
from study.figures.style import COLOURS, style_of
from study.schedule import Schedule, switches
from study.spec.study import StudySpec
from tests.trials import spec_of, summed, trial

CURRICULA: dict[str, Any] = {"constant": {"span": 1, "strategy": "random"}, "cm_gems": {}, "linear": {"span": 1}}


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return spec_of(tmp_path, curricula=json.loads(json.dumps(CURRICULA)))


def measured(spec: StudySpec, run: str, *perplexities: float) -> None:
    """Write what a run measured every other step, as its last checkpoint has it."""
    folder = spec.folder() / "runs" / run / "checkpoints-6" / "step-00000006"
    folder.mkdir(parents=True)
    found = [{"step": 2 * number, "perplexity": value} for number, value in enumerate(perplexities)]
    (folder / "state.json").write_text(json.dumps({"evaluations": found}))


def schedule(name: str, horizon: int, curve: tuple[Evaluation, ...] = (), **arguments: Any) -> Schedule:
    return Schedule(name, registry.make(name, arguments), horizon, curve)


def test_a_step_switches_once_a_slope_and_a_staircase_never() -> None:
    (jump,) = switches(schedule("step", 1000, before=0.1, after=0.2, milestone=0.5))
    assert jump.step == 500
    assert jump.words.startswith("step 500:<br>random, rate 10.0%")
    assert switches(schedule("linear", 1000)) == []
    assert switches(schedule("cm_step", 10_000)) == []
    assert switches(schedule("constant", 1000)) == []


def test_what_reacts_switches_where_its_run_did() -> None:
    """The perplexity falls by 5, then by 0.5, which is less than 1: seen at step 200."""
    curve = tuple(Evaluation(100 * number, value) for number, value in enumerate((20.0, 15.0, 14.5, 9.0)))
    (jump,) = switches(schedule("cm_gems", 1000, curve))
    assert jump.step == 200
    assert "at perplexity 14.5" in jump.words
    assert "genemask" in jump.words.partition("then")[0]
    assert switches(schedule("cm_gems", 1000, curve[:2])) == []


def test_switches_are_marks_on_the_lines(spec: StudySpec) -> None:
    measured(spec, "cm_gems-0", 20.0, 15.0, 14.9)
    runs = [trial(f"{name}-0", name, {6: 0.5}) for name in CURRICULA]
    figure = curves.schedules(summed(spec, *runs))
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    assert {trace.name for trace in marks} == {"cm_gems"}
    assert [list(trace.x) for trace in marks] == [[4], [4]]  # of the rate, and of the share masked by `global`
    assert list(marks[1].y) == [1.0]
    assert "perplexity 14.9" in marks[0].text[0]
    (line,) = [trace for trace in figure.data if trace.mode == "lines" and trace.name == "cm_gems" and 1.0 in trace.y]
    assert dict(zip(line.x, line.y, strict=True))[3] == 0.0


def test_losses_are_drawn_over_all_steps_where_they_are_there(spec: StudySpec) -> None:
    measured(spec, "linear-0", math.inf, 20.0, 10.0)
    figure = curves.losses(summed(spec, *(trial(f"{name}-0", name, {2: 0.4, 6: 0.5}) for name in CURRICULA)))
    own = [trace for trace in figure.data if trace.name == "linear"]
    (curve,) = [trace for trace in own if trace.mode == "lines"]
    assert (list(curve.x), list(curve.y)) == ([2, 4], pytest.approx([math.log(20), math.log(10)]))
    (marks,) = [trace for trace in own if trace.mode == "markers"]
    assert (list(marks.x), list(marks.y)) == ([2, 6], [1.0, 1.0])
    (alone,) = [trace for trace in figure.data if trace.name == "constant"]
    assert alone.mode == "lines+markers"


def test_curricula_beyond_the_palette_have_other_marks_and_dashes() -> None:
    first, eighth = style_of(0), style_of(len(COLOURS))
    assert first["line"]["color"] == eighth["line"]["color"]
    assert first["line"]["dash"] != eighth["line"]["dash"]
    assert first["marker"]["symbol"] != eighth["marker"]["symbol"]
