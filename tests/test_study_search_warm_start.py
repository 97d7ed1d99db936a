"""What a search takes over from earlier studies, and what it refuses."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from curricula import InputError
from study.folder import create_folder
from study.runs import default_run
from study.search import proposals, warm_start
from study.spec.files import parse
from study.spec.study import StudySpec
from study.trials.messages import OBJECTIVE
from tests.studies import MINI


def spec_of(results: Path, **changes: Any) -> StudySpec:
    return parse({**MINI, "results": str(results), **changes}, "test")


def searched(results: Path, scores: list[float], **changes: Any) -> StudySpec:
    """A study on disk whose search has these scores, in the order of its proposals."""
    spec = create_folder(spec_of(results, **changes))
    study = proposals.open_study(spec, spec.folder(), {})
    for score in scores:
        trial = study.ask()
        proposals.space(spec)(trial)
        study.tell(trial, score)
    return spec


def learning(results: Path, *names: str, **changes: Any) -> StudySpec:
    spec = spec_of(results, **{"name": "new", **changes})
    return spec.model_copy(update={"search": spec.search.model_copy(update={"warm_start": list(names)})})


def opened(spec: StudySpec, finished: dict[str, dict[str, float]] | None = None) -> optuna.Study:
    """Open its search as the engine does."""
    return proposals.open_study(spec, spec.folder(), finished or {}, warm_start.earlier(spec))


def test_trials_of_the_same_kind_are_learnt_with_their_scores_and_count_for_nothing_else(tmp_path: Path) -> None:
    searched(tmp_path, [0.1, 0.3, 0.2])
    spec = create_folder(learning(tmp_path, "mini"))
    control = default_run(spec, "constant", "search")
    for _ in range(2):  # the second time as after an interruption
        study = opened(spec, {control.key: {OBJECTIVE: 0.15}})
        complete = study.get_trials(states=(TrialState.COMPLETE,))
        assert sorted(trial.value for trial in complete) == [0.1, 0.15, 0.2, 0.3]
        assert proposals.trials_done(study) == 1
    (earlier,) = warm_start.earlier(spec)
    assert earlier.sentence() == "the search learns from `mini`: 3 trials with their scores"


def test_the_search_models_what_it_learnt(tmp_path: Path) -> None:
    """No trial of its own is needed before TPE starts: 1 is asked for, and 3 are known."""
    searched(tmp_path, [0.1, 0.3, 0.2])
    spec = create_folder(learning(tmp_path, "mini"))
    alone = create_folder(spec_of(tmp_path, name="alone"))
    proposed = []
    for one in (spec, alone):
        study = opened(one)
        for _ in range(3):
            trial = study.ask()
            proposals.space(one)(trial)
            study.tell(trial, 0.1)
        proposed.append(study.trials[-1].params)
    assert proposed[0] != proposed[1]


def test_where_scores_are_others_the_best_of_each_curriculum_is_tried_again(tmp_path: Path) -> None:
    longer = {**MINI["pretraining"], "budgets": [2, 4, 8]}
    old = searched(tmp_path, [0.1, 0.3, 0.2, 0.5])
    tried = proposals.open_study(old, old.folder(), {}).get_trials(states=(TrialState.COMPLETE,))
    spec = create_folder(learning(tmp_path, "mini", pretraining=longer))
    (earlier,) = warm_start.earlier(spec)
    assert earlier.differs == ["pretraining.budgets"]
    assert not earlier.known()
    best = {run.curriculum: proposals.parameters_of(run, spec) for run in earlier.again()}
    for curriculum, parameters in best.items():
        own = [trial for trial in tried if trial.params["curriculum"] == curriculum]
        assert parameters == max(own, key=lambda trial: trial.value or 0.0).params
    assert set(best) == {"constant", "linear"}
    assert "configurations are tried again; its scores are not, for it differs in pretraining.budgets" in (
        earlier.sentence()
    )
    study = opened(spec)
    waiting = [trial.system_attrs["fixed_params"] for trial in study.get_trials(states=(TrialState.WAITING,))]
    defaults = [proposals.parameters_of(default_run(spec, name, "search"), spec) for name in ("constant", "linear")]
    assert waiting == defaults + [parameters for parameters in best.values() if parameters not in defaults]


def test_fixed_arguments_and_numbers_are_carried_over_where_they_are_searched_now(tmp_path: Path) -> None:
    searched(tmp_path, [0.1, 0.3], curricula={"constant": MINI["curricula"]["constant"], "linear": {"start": 0.4}})
    spec = learning(
        tmp_path,
        "mini",
        curricula={"constant": MINI["curricula"]["constant"], "linear": {}},
        search={**MINI["search"], "space": {"clip": {"low": 0.5, "high": 2.0}}},
    )
    (earlier,) = warm_start.earlier(spec)
    ((run, values),) = [one for one in earlier.trials if one[0].curriculum == "linear"]
    assert (run.arguments["start"], run.numbers, values) == (0.4, {"clip": 1.0}, [0.3])


def test_what_is_outside_of_the_new_space_is_left_out_and_a_study_that_offers_nothing_is_refused(
    tmp_path: Path,
) -> None:
    searched(tmp_path, [0.1, 0.3, 0.2])
    own = {"mine": {"curriculum": "linear", "start": 0.35}}
    spec = learning(tmp_path, "mini", curricula={"constant": {"strategy": "genemask"}, **own})
    with pytest.raises(InputError, match="none of the 3 trials of `mini` is in the space of this study"):
        warm_start.earlier(spec)


def test_a_study_that_is_not_there_or_searched_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no study `mini`"):
        warm_start.earlier(learning(tmp_path, "mini"))
    create_folder(spec_of(tmp_path))
    with pytest.raises(InputError, match="must name studies with a search, but `mini` had none"):
        warm_start.earlier(learning(tmp_path, "mini"))
