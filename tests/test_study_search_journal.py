"""Optuna's file: what a kill leaves in it is read, and written on."""

from pathlib import Path

import optuna
import pytest

from study.folder import search_path
from study.search import journal


def opened(folder: Path) -> optuna.Study:
    return optuna.create_study(storage=journal.storage(folder), study_name="s", load_if_exists=True)


def one_more(folder: Path, value: float) -> None:
    study = opened(folder)
    trial = study.ask()
    trial.suggest_float("rate", 0.0, 1.0)
    study.tell(trial, value)


def values(folder: Path) -> list[float | None]:
    return [trial.value for trial in opened(folder).get_trials() if trial.state.is_finished()]


@pytest.mark.parametrize("torn", [1, 5, 40])
def test_a_line_that_was_cut_off_is_dropped_and_what_comes_later_is_kept(tmp_path: Path, torn: int) -> None:
    one_more(tmp_path, 0.25)
    with search_path(tmp_path).open("ab") as file:
        file.write(b'{"op_code":6,"worker_id":"x","trial_id":0,"state":1}'[:torn])
    journal.mend(tmp_path)
    one_more(tmp_path, 0.75)
    assert values(tmp_path) == [0.25, 0.75]


def test_without_it_optuna_reads_its_file_never_again(tmp_path: Path) -> None:
    one_more(tmp_path, 0.25)
    with search_path(tmp_path).open("ab") as file:
        file.write(b'{"op_code":6')
    with pytest.raises(ValueError, match=r"delimiter|Invalid|Extra data"):
        one_more(tmp_path, 0.75), one_more(tmp_path, 0.75)


def test_what_is_whole_and_what_is_not_there_are_left_alone(tmp_path: Path) -> None:
    journal.mend(tmp_path)
    assert not search_path(tmp_path).exists()
    one_more(tmp_path, 0.25)
    before = search_path(tmp_path).read_bytes()
    journal.mend(tmp_path)
    assert search_path(tmp_path).read_bytes() == before


def test_the_lock_of_a_killed_process_holds_nothing_up_for_long(tmp_path: Path) -> None:
    one_more(tmp_path, 0.25)
    Path(f"{search_path(tmp_path)}.lock").touch()
    one_more(tmp_path, 0.75)
    assert values(tmp_path) == [0.25, 0.75]
