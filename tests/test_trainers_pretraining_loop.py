"""The pretraining loop in one process: it learns, and an interruption leaves no trace in the numbers."""

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from curricula import InputError
from tests import runs
from trainers import data
from trainers.pretraining import checkpoint
from trainers.pretraining.loop import Reached, learning_rate, pretrain
from trainers.settings import PretrainSettings
from trainers.workers import Workers

LAST = 8


@pytest.fixture(scope="module")
def settings(prepared) -> PretrainSettings:
    return runs.settings(prepared)


@pytest.fixture(scope="module")
def loaded(prepared) -> data.PretrainData:
    return data.load(runs.DATA, prepared)[0]


class PowerCutError(Exception):
    """Ends a training between two steps."""


def run(settings, loaded, folder: Path, budgets, checkpoint_every: int = 0, cut_after: int = 0) -> list[Reached]:
    def on_step(step: int) -> None:
        if step == cut_after:
            raise PowerCutError

    return list(pretrain(settings, loaded, budgets, folder, runs.ALONE, checkpoint_every, on_step))


def weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(checkpoint.folder_of(folder, step) / "model.safetensors")


def numbers(reached: Reached) -> tuple:
    state = dataclasses.replace(reached.state, seconds=0.0)
    return state, reached.validation_loss


@pytest.fixture(scope="module")
def undisturbed(settings, loaded, tmp_path_factory) -> tuple[Path, list[Reached]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(settings, loaded, folder, [3, LAST])


def assert_same_end(folder: Path, reached: Reached, undisturbed: tuple[Path, list[Reached]]) -> None:
    assert numbers(reached) == numbers(undisturbed[1][-1])
    expected = weights(undisturbed[0], LAST)
    found = weights(folder, LAST)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("cut_after", [1, 3, 4, 5, 7])
def test_a_run_cut_anywhere_ends_with_the_same_bits(cut_after, settings, loaded, tmp_path, undisturbed):
    with pytest.raises(PowerCutError):
        run(settings, loaded, tmp_path, [3, LAST], checkpoint_every=2, cut_after=cut_after)
    steps_done = []
    *_, last = pretrain(settings, loaded, [3, LAST], tmp_path, runs.ALONE, 2, steps_done.append)
    newest = {1: 0, 3: 2, 4: 3, 5: 4, 7: 6}[cut_after]  # on_step comes before the checkpoint of its step
    assert steps_done == list(range(newest + 1, LAST + 1))
    assert_same_end(tmp_path, last, undisturbed)


def test_a_run_left_at_a_budget_goes_on_from_there(settings, loaded, tmp_path, undisturbed):
    first = next(pretrain(settings, loaded, [3, LAST], tmp_path, runs.ALONE))
    assert numbers(first)[0] == numbers(undisturbed[1][0])[0]
    assert checkpoint.complete(tmp_path) == [3]
    assert_same_end(tmp_path, run(settings, loaded, tmp_path, [3, LAST])[-1], undisturbed)


def test_a_finished_run_trains_no_more(settings, loaded, undisturbed):
    folder, reached = undisturbed
    trained = []
    again = list(pretrain(settings, loaded, [3, LAST], folder, runs.ALONE, 0, trained.append))
    assert trained == []
    assert [numbers(one) for one in again] == [numbers(one) for one in reached]


def test_stops_on_the_way_change_nothing(settings, loaded, tmp_path, undisturbed):
    assert_same_end(tmp_path, run(settings, loaded, tmp_path, [1, 2, 5, LAST])[-1], undisturbed)


def test_the_state_counts_steps_masked_tokens_and_evaluations(settings, undisturbed):
    first, last = (reached.state for reached in undisturbed[1])
    assert [evaluation.step for evaluation in first.evaluations] == [0, 2]
    assert [evaluation.step for evaluation in last.evaluations] == [0, 2, 4, 6]
    assert last.evaluations[:2] == first.evaluations
    assert (first.step, last.step) == (3, LAST)
    assert first.fingerprint == settings.fingerprint()
    tokens = LAST * settings.batch * settings.length
    assert 0.1 * tokens < last.masked_tokens < 0.4 * tokens  # linear: from 30 % towards 15 %


def test_other_seeds_give_other_weights(settings, loaded, tmp_path, undisturbed):
    run(dataclasses.replace(settings, seed=1), loaded, tmp_path, [3])
    name = "bert.encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(weights(tmp_path, 3)[name], weights(undisturbed[0], 3)[name])


def test_only_budgets_stay_on_disk(settings, loaded, tmp_path):
    run(settings, loaded, tmp_path, [2, 5], checkpoint_every=1)
    assert checkpoint.complete(tmp_path) == [2, 5]


def test_the_loss_goes_down(settings, loaded, tmp_path):
    longer = dataclasses.replace(settings, horizon=60, batch=32)
    first, last = run(longer, loaded, tmp_path, [1, 60])
    assert last.validation_loss < first.validation_loss - 0.1
    perplexities = [evaluation.perplexity for evaluation in last.state.evaluations]
    assert min(perplexities[-3:]) < 0.8 * perplexities[0]


def test_a_checkpoint_of_other_settings_is_refused(settings, loaded, tmp_path):
    run(settings, loaded, tmp_path, [1])
    with pytest.raises(InputError, match="a checkpoint can only go on under the settings it was made with"):
        run(dataclasses.replace(settings, learning_rate=0.007), loaded, tmp_path, [1])


def test_a_damaged_checkpoint_is_refused(settings, loaded, tmp_path):
    run(settings, loaded, tmp_path, [1])
    path = checkpoint.folder_of(tmp_path, 1) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be read"):
        run(settings, loaded, tmp_path, [1])


def test_a_batch_that_cannot_be_shared_out_is_refused(settings, loaded, tmp_path):
    three = Workers(rank=0, count=3, device=torch.device("cpu"))
    with pytest.raises(InputError, match="`batch` must be a multiple of the workers, but got batch=8, workers=3"):
        next(pretrain(settings, loaded, [1], tmp_path, three))


def test_a_diverging_run_stops_and_says_so(settings, loaded, tmp_path):
    with pytest.raises(FloatingPointError, match=r"at step \d+; lower the learning rate"):
        run(dataclasses.replace(settings, learning_rate=1e30), loaded, tmp_path, [LAST])
    assert checkpoint.complete(tmp_path) == []


@pytest.mark.parametrize(
    ("step", "share_of_the_peak"), [(0, 0.1), (4, 0.5), (9, 1.0), (10, 1.0), (60, 0.5), (109, 0.01), (110, 0.0)]
)
def test_the_learning_rate_warms_up_and_decays_to_0(step, share_of_the_peak, settings):
    longer = dataclasses.replace(settings, warmup=10, horizon=110, learning_rate=8e-4)
    assert learning_rate(longer, step) == pytest.approx(8e-4 * share_of_the_peak)
