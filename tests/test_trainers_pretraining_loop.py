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
from trainers.pretraining.learning_rate import learning_rate
from trainers.pretraining.loop import Reached, pretrain
from trainers.settings import Execution, PretrainSettings
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

    execution = Execution(checkpoint_every=checkpoint_every)
    return list(pretrain(settings, loaded, budgets, folder, runs.ALONE, execution, on_step))


def weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(checkpoint.folder_of(folder, step) / "model.safetensors")


def numbers(reached: Reached) -> tuple:
    state = dataclasses.replace(reached.state, seconds=0.0, worker_seconds=0.0, parts={})
    return state, reached.validation, reached.branch


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
    *_, last = pretrain(
        settings, loaded, [3, LAST], tmp_path, runs.ALONE, Execution(checkpoint_every=2), steps_done.append
    )
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
    again = list(pretrain(settings, loaded, [3, LAST], folder, runs.ALONE, on_step=trained.append))
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


def test_more_workers_than_rows_are_refused(settings, loaded, tmp_path):
    nine = Workers(rank=0, count=9, device=torch.device("cpu"))
    with pytest.raises(InputError, match="`batch` must have a row for each worker, but got batch=8, workers=9"):
        next(pretrain(settings, loaded, [1], tmp_path, nine))


def test_a_diverging_run_stops_with_its_step_and_the_last_good_checkpoint(settings, loaded, tmp_path):
    with pytest.raises(FloatingPointError, match=r"at step \d+; lower the learning rate; there is no checkpoint"):
        run(dataclasses.replace(settings, learning_rate=1e30), loaded, tmp_path, [LAST])
    assert checkpoint.complete(tmp_path) == []
    slow = dataclasses.replace(settings, learning_rate=1e25, warmup=10**30)  # steps of 1e-5 at first
    with pytest.raises(FloatingPointError, match=r"the loss exploded.*the last good checkpoint is \d+"):
        run(dataclasses.replace(slow, warmup=10**24, horizon=60), loaded, tmp_path, [60], checkpoint_every=1)


COOLED = {"cooldown": 0.4, "horizon": 12, "learning_rate": 0.006}  # branches leave at 3 for 5, and at 5 for 8


@pytest.fixture(scope="module")
def cooled(settings, loaded, tmp_path_factory) -> tuple[Path, list[Reached]]:
    folder = tmp_path_factory.mktemp("cooled")
    return folder, run(dataclasses.replace(settings, **COOLED), loaded, folder, [5, 8, 12])


def test_a_branch_cools_down_to_each_budget_and_the_trunk_goes_on_untouched(settings, loaded, tmp_path, cooled):
    folder, reached = cooled
    assert [(one.state.step, one.branch) for one in reached] == [(5, "cooldown"), (8, "cooldown"), (12, "trunk")]
    trunk = dataclasses.replace(settings, **{**COOLED, "cooldown": 0.0})
    *_, last = run(trunk, loaded, tmp_path, [5, 8, 12])
    assert last.validation == reached[-1].validation
    assert last.state.evaluations == reached[-1].state.evaluations
    assert (last.state.tokens, last.state.masked_tokens) == (reached[-1].state.tokens, reached[-1].state.masked_tokens)
    for name, tensor in weights(tmp_path, 12).items():
        assert torch.equal(tensor, weights(folder, 12)[name])


def test_a_branch_starts_from_the_trunk_and_its_rate_falls_to_0(settings, loaded, tmp_path, cooled):
    folder = cooled[0] / "cooldown-00000008"
    own = dataclasses.replace(settings, **COOLED)
    rates = []
    step = torch.optim.AdamW.step

    def noted(optimiser: torch.optim.AdamW) -> None:
        rates.append(optimiser.param_groups[0]["lr"])
        step(optimiser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", noted)  # to look on
        run(own, loaded, tmp_path, [8])
    trunk = [learning_rate(own, at) for at in range(8)]
    assert rates == pytest.approx([*trunk[:5], trunk[5], trunk[6] * 2 / 3, trunk[7] / 3])
    for name, tensor in weights(tmp_path / "cooldown-00000008", 8).items():
        assert torch.equal(tensor, weights(folder, 8)[name])


@pytest.mark.parametrize("cut_after", [2, 4, 6, 7, 9], ids="after {}".format)
def test_a_run_cut_on_trunk_or_branch_ends_with_the_same_bits(cut_after, settings, loaded, tmp_path, cooled):
    own = dataclasses.replace(settings, **COOLED)
    with pytest.raises(PowerCutError):
        run(own, loaded, tmp_path, [5, 8, 12], checkpoint_every=1, cut_after=cut_after)
    again = run(own, loaded, tmp_path, [5, 8, 12], checkpoint_every=1)
    assert [numbers(one) for one in again] == [numbers(one) for one in cooled[1]]
    for part, at in (("cooldown-00000005", 5), ("cooldown-00000008", 8), ("", 12)):
        for name, tensor in weights(tmp_path / part, at).items():
            assert torch.equal(tensor, weights(cooled[0] / part, at)[name])


@pytest.mark.parametrize(
    "execution",
    [Execution(micro_batch=1), Execution(micro_batch=3), Execution(activation_checkpointing=True)],
    ids=["one row a pass", "three rows a pass", "activation checkpointing"],
)
def test_how_it_is_computed_changes_the_numbers_by_rounding_only(execution, settings, loaded, tmp_path, undisturbed):
    *_, last = pretrain(settings, loaded, [3, LAST], tmp_path, runs.ALONE, execution)
    assert last.validation_loss == pytest.approx(undisturbed[1][-1].validation_loss, abs=1e-5)
    assert last.state.masked_tokens == undisturbed[1][-1].state.masked_tokens


def test_bfloat16_learns_as_well(settings, loaded, tmp_path, undisturbed):
    *_, last = run(dataclasses.replace(settings, precision="bf16"), loaded, tmp_path, [LAST])
    exact = undisturbed[1][-1].validation_loss
    assert last.validation_loss != exact
    assert last.validation_loss == pytest.approx(exact, abs=0.03)


def test_seconds_and_their_parts_add_up(undisturbed):
    for reached in undisturbed[1]:
        state = reached.state
        assert 0.3 * state.seconds < sum(state.parts.values()) < 1.5 * state.seconds
        assert min(state.parts["forward"], state.parts["backward"], state.parts["mask"]) > 0


def test_a_full_disk_stops_the_run(settings, loaded, tmp_path):
    (tmp_path / "step-00000003").touch()  # the folder of the checkpoint cannot be made
    with pytest.raises(FileExistsError):
        run(settings, loaded, tmp_path, [3])


def test_a_budget_asked_for_later_has_the_same_branch(settings, loaded, tmp_path, cooled):
    own = dataclasses.replace(settings, **COOLED)
    run(own, loaded, tmp_path, [5, 12])
    again = run(own, loaded, tmp_path, [5, 8, 12])  # the trunk is beyond the fork
    assert [numbers(one) for one in again] == [numbers(one) for one in cooled[1]]
