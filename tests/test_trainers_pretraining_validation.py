"""Validation: the same rows and masks for every curriculum and seed, and numbers that can be checked by hand."""

import dataclasses
import math

import pytest
import torch
from torch.nn import functional

from curricula import Masking, Strategy
from tests import runs
from trainers import data
from trainers.masking.masker import Masker
from trainers.masking.rates import calibration_rows
from trainers.models.build import initial_model
from trainers.models.parts import encoder_of, head_of
from trainers.pretraining.language_model import MaskedLanguageModel
from trainers.pretraining.validation import Measured, Validator
from trainers.settings import VALIDATION_RATE, VALIDATION_SEED, Budget
from trainers.workers import Workers


@pytest.fixture(scope="module")
def loaded(prepared) -> data.PretrainData:
    return data.load(runs.DATA, prepared)[0]


@pytest.fixture(scope="module")
def model(loaded) -> MaskedLanguageModel:
    return MaskedLanguageModel(initial_model("tiny", loaded.tokenizer, 3))


def plainly(model: MaskedLanguageModel, loaded: data.PretrainData, span: int) -> Measured:
    """The definition: logits at every position of all rows at once."""
    k = loaded.difficulty.k
    samples_B = torch.arange(loaded.validation_rows)
    ids_BT = loaded.tokenizer.tokens(loaded.validation.sample(VALIDATION_SEED, samples_B)).ids_BT
    masker = Masker(loaded.difficulty, Budget.MATCHED, VALIDATION_SEED, calibration_rows(loaded.training.windows, k))
    masked = masker(ids_BT, Masking(Strategy.RANDOM, rate=VALIDATION_RATE, span=span), samples_B)
    with torch.no_grad():
        hidden_BTH = encoder_of(model.model)(loaded.tokenizer.wrap(masked.inputs_BT)).last_hidden_state
        logits_BTV = head_of(model.model)(hidden_BTH)[:, 1:-1]
    logits_MV, labels_M = logits_BTV[masked.mask_BT], ids_BT[masked.mask_BT]
    right = (logits_MV.argmax(dim=1) == labels_M).double().mean()
    return Measured(float(functional.cross_entropy(logits_MV, labels_M)), float(right))


def test_it_is_the_loss_on_random_masks_of_two_spans(model, loaded):
    found = Validator(loaded, runs.ALONE, 10**6).both(model)
    for measured, span in ((found.narrow, 1), (found.wide, loaded.difficulty.k)):
        expected = plainly(model, loaded, span)
        assert measured.loss == pytest.approx(expected.loss, abs=1e-5)
        assert measured.accuracy == pytest.approx(expected.accuracy)
        assert measured.perplexity == pytest.approx(math.exp(expected.loss), rel=1e-5)
    assert found.narrow.loss != found.wide.loss


@pytest.mark.parametrize("most_tokens", [1, 26 * 5])
def test_passes_change_nothing(model, loaded, most_tokens):
    whole, cut = (Validator(loaded, runs.ALONE, most).both(model) for most in (10**6, most_tokens))
    assert cut.narrow.loss == pytest.approx(whole.narrow.loss, abs=1e-5)
    assert cut.narrow.accuracy == whole.narrow.accuracy


def test_the_workers_share_the_rows_out(model, loaded):
    class Half(Workers):
        """One of two processes that do not talk: sums are its own."""

        def sum(self, values: torch.Tensor) -> torch.Tensor:
            sums.append(values.clone())
            return values

    sums: list[torch.Tensor] = []
    whole = Validator(loaded, runs.ALONE, 10**6).narrow(model)
    for rank in range(2):
        Validator(loaded, Half(rank, 2, torch.device("cpu")), 10**6).narrow(model)
    loss, right, count = (sums[0] + sums[1]).tolist()
    assert (loss / count, right / count) == pytest.approx((whole.loss, whole.accuracy))
    assert min(float(own[2]) for own in sums) > 0.3 * count


def test_more_workers_than_rows_leave_some_idle(model, loaded):
    few = dataclasses.replace(loaded, validation_rows=1)
    assert Validator(few, Workers(0, 1, torch.device("cpu")), 10**6).narrow(model).loss > 0
    idle = Validator(few, dataclasses.replace(runs.ALONE, rank=1), 10**6)
    assert idle._batches == {1: [], 2: []}


def test_the_model_is_left_as_it_was(model, loaded):
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    model.train()
    Validator(loaded, runs.ALONE, 10**6).both(model)
    assert model.training
    assert all(torch.equal(before[name], parameter) for name, parameter in model.named_parameters())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_loss_beyond_all_numbers_has_an_infinite_perplexity():
    assert Measured(1000.0, 0.0).perplexity == math.inf
