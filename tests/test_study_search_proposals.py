"""What Optuna proposes, and what a restart changes: nothing."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from optuna.trial import TrialState

from study.folder import search_path
from study.runs import Run, controls, default_run, run_of
from study.search import proposals
from study.spec.files import parse
from study.spec.study import StudySpec
from study.trials.messages import COST, OBJECTIVE
from tests.browser import free_port, wait_until_served
from tests.studies import MINI

WIDE = {
    **MINI,
    "curricula": {"linear": {}, "pmi_threshold": {"rate": 0.2}},
    "search": {**MINI["search"], "trials": 9, "random_trials": 3},
}


@pytest.fixture
def spec() -> StudySpec:
    return parse(json.loads(json.dumps(WIDE)), "test")


def proposed_runs(spec: StudySpec, folder: Path, count: int, interrupted_at: int = -1) -> list[Run]:
    """Ask, score by the seed-free rule `rate of the start`, tell; at one trial, crash and open the study again."""
    proposed = []
    study = proposals.open_study(spec, folder, {})
    while len(proposed) < count:
        trial = study.ask()
        proposals.space(spec)(trial)
        if len(proposed) == interrupted_at:
            interrupted_at = -1
            study = proposals.open_study(spec, folder, {})
            continue
        config: dict[str, object] = {}
        for name, value in trial.params.items():
            group, _, argument = name.rpartition("/")
            (config.setdefault(group, {}) if group else config)[argument] = value  # type: ignore[index]
        run = run_of(config, spec)
        proposed.append(run)
        study.tell(trial, float(run.arguments.get("start", 0.0)))
    return proposed


def test_each_curriculum_is_tried_with_its_defaults_first_the_control_before_all(
    spec: StudySpec, tmp_path: Path
) -> None:
    first = proposed_runs(spec, tmp_path, 3)
    assert [run.curriculum for run in first] == ["constant", "linear", "pmi_threshold"]
    assert [run.key for run in first] == [default_run(spec, run.curriculum, "search").key for run in first]


def test_proposals_have_all_arguments_within_the_declared_space(spec: StudySpec, tmp_path: Path) -> None:
    for run in proposed_runs(spec, tmp_path, 9):
        if run.curriculum == "pmi_threshold":
            assert run.arguments["rate"] == 0.2
            assert 0.0 <= run.arguments["start"] <= 0.9
        assert 0.002 <= run.numbers["learning_rate"] <= 0.012
        assert set(proposals.parameters_of(run, spec)) >= {"curriculum", "learning_rate"}


def searching(**search: object) -> StudySpec:
    return parse({**WIDE, "search": {**WIDE["search"], **search}}, "test")


@pytest.mark.parametrize(
    ("sampler", "interrupted_at"), [("tpe", 0), ("tpe", 2), ("tpe", 5), ("tpe", 8), ("gp", 7), ("random", 5)]
)
def test_an_interrupted_search_proposes_what_an_undisturbed_one_does(
    tmp_path: Path, sampler: str, interrupted_at: int
) -> None:
    spec = searching(sampler=sampler)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    undisturbed = [run.key for run in proposed_runs(spec, tmp_path / "a", 9)]
    assert len(set(undisturbed)) == 9
    assert [run.key for run in proposed_runs(spec, tmp_path / "b", 9, interrupted_at)] == undisturbed


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random"])
def test_trials_that_start_together_are_not_all_the_same(tmp_path: Path, sampler: str) -> None:
    spec = searching(sampler=sampler)
    study = proposals.open_study(spec, tmp_path, {})
    trials = [study.ask() for _ in range(6)]
    for trial in trials:
        proposals.space(spec)(trial)
    learning_rates = [trial.params["learning_rate"] for trial in trials[3:]]  # before them, each curriculum's defaults
    assert len(set(learning_rates)) == 3


def test_with_a_cost_optuna_weighs_both(tmp_path: Path) -> None:
    spec = searching(cost="flops")
    control = default_run(spec, "constant", "search")
    study = proposals.open_study(spec, tmp_path, {control.key: {OBJECTIVE: 0.25, COST: 4e9}})
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.trials[0].values == [0.25, 4e9]
    for score, cost in ((0.3, 5e9), (0.2, 5e9), (0.2, 1e9)):
        trial = study.ask()
        proposals.space(spec)(trial)
        study.tell(trial, [score, cost])
    assert sorted(trial.values for trial in study.best_trials) == [[0.2, 1e9], [0.25, 4e9], [0.3, 5e9]]
    for _ in range(4):  # enough of them for TPE to model both
        trial = study.ask()
        proposals.space(spec)(trial)
        study.tell(trial, [0.1, 2e9])
    assert proposals.trials_done(study) == 8


def test_a_trial_that_was_running_is_failed_and_queued_again(spec: StudySpec, tmp_path: Path) -> None:
    study = proposals.open_study(spec, tmp_path, {})
    trial = study.ask()
    proposals.space(spec)(trial)
    again = proposals.open_study(spec, tmp_path, {})
    assert again.trials[trial.number].state is TrialState.FAIL
    assert proposals.trials_done(again) == 0


def test_the_control_that_ran_already_is_told_to_optuna(spec: StudySpec, tmp_path: Path) -> None:
    control = next(run for run in controls(spec) if run.curriculum == "constant")
    for _ in range(2):
        study = proposals.open_study(spec, tmp_path, {control.key: {OBJECTIVE: 0.25}})
        (done,) = study.get_trials(states=(TrialState.COMPLETE,))
        assert (done.params["curriculum"], done.value) == ("constant", 0.25)


def test_optuna_dashboard_opens_the_search(spec: StudySpec, tmp_path: Path) -> None:
    study = proposals.open_study(spec, tmp_path, {})
    trial = study.ask()
    proposals.space(spec)(trial)
    study.tell(trial, 0.25)
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "optuna-dashboard"),
        str(search_path(tmp_path)),
        "--port",
        str(port),
    ]
    with subprocess.Popen([*command, "--host", "127.0.0.1"]) as served:
        try:
            wait_until_served(port, 60)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies", timeout=30) as answer:
                (shown,) = json.load(answer)["study_summaries"]
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/api/studies/{shown['study_id']}", timeout=30
            ) as answer:
                trials = json.load(answer)["trials"]
        finally:
            served.terminate()  # its workers go with it
    assert shown["study_name"] == spec.name
    assert trials[0]["values"] == [0.25]


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random"])
def test_a_searcher_can_be_saved_as_tune_does(tmp_path: Path, sampler: str) -> None:
    spec = searching(sampler=sampler)
    proposals.open_study(spec, tmp_path, {})
    searcher = proposals.searcher(spec, tmp_path)
    assert searcher.suggest("trial") is not None
    searcher.save(str(tmp_path / "saved"))
    assert (tmp_path / "saved").stat().st_size > 0
