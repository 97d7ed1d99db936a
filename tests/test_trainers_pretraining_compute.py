"""Gradients of a share, however it is cut, are those of the mean loss over its masked tokens."""

import dataclasses
import shutil

import pytest
import torch
from torch.nn import functional

from tests import runs
from trainers import data
from trainers.models.build import initial_model
from trainers.pretraining.batches import Share
from trainers.pretraining.clock import Clock
from trainers.pretraining.compute import Compute, autocast_type
from trainers.pretraining.shares import Shares
from trainers.settings import Execution, PretrainSettings, Sampling

MIXED = dataclasses.replace(runs.DATA, sampling=Sampling("mixed", shortest=4))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def loaded(prepared) -> data.PretrainData:
    return data.load(MIXED, prepared)[0]


@pytest.fixture(scope="module")
def settings(prepared) -> PretrainSettings:
    return runs.settings(prepared, batch=12)


@pytest.fixture(scope="module")
def share(settings, loaded) -> Share:
    return Shares(settings, loaded, runs.ALONE).at(0, (), Clock(CPU))


def plain_gradients(settings: PretrainSettings, loaded: data.PretrainData, share: Share) -> dict[str, torch.Tensor]:
    """The definition: one row after another, unpadded, and transformers' own loss over all positions."""
    model = initial_model(settings.preset, loaded.tokenizer, settings.seed)
    masked = int(share.rows.mask_BT.sum())
    for row, tokens in enumerate(share.rows.lengths):
        inputs_1T = loaded.tokenizer.wrap(share.rows.inputs_BT[row : row + 1, :tokens])
        labels_T = torch.where(share.rows.mask_BT[row], share.rows.ids_BT[row], -100)[:tokens]
        logits_TV = model(inputs_1T).logits[0, 1:-1]
        (functional.cross_entropy(logits_TV, labels_T, reduction="sum") / masked).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def gradients(
    settings: PretrainSettings, loaded: data.PretrainData, share: Share, execution: Execution
) -> tuple[dict[str, torch.Tensor], float]:
    model = initial_model(settings.preset, loaded.tokenizer, settings.seed)
    compute = Compute(model, settings, execution, runs.ALONE, Clock(CPU))
    loss = compute.gradients(share, share.counts()[0])
    return {name: parameter.grad for name, parameter in model.named_parameters()}, float(loss)


@pytest.mark.parametrize(
    "execution",
    [
        Execution(),
        Execution(micro_batch=1),
        Execution(micro_batch=100),
        Execution(activation_checkpointing=True),
        pytest.param(
            Execution(micro_batch=100, compile=True),
            marks=pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler here"),
        ),
    ],
    ids=["auto", "a row a pass", "one pass", "activation checkpointing", "compiled"],
)
def test_gradients_are_those_of_the_definition(settings, loaded, share, execution):
    expected = plain_gradients(settings, loaded, share)
    found, _ = gradients(settings, loaded, share, execution)
    assert found.keys() == expected.keys()
    largest = max(float(tensor.abs().max()) for tensor in expected.values())
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, atol=1e-5 * largest, rtol=1e-3), name


def test_a_share_without_a_masked_token_has_no_gradient(settings, loaded, share):
    model = initial_model(settings.preset, loaded.tokenizer, settings.seed)
    compute = Compute(model, settings, Execution(), runs.ALONE, Clock(CPU))
    nothing = Share(
        loaded.tokenizer, share.rows.__class__(**{**share.rows.__dict__, "mask_BT": share.rows.mask_BT & False})
    )
    assert float(compute.gradients(nothing, nothing.counts()[0])) == 0
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("precision", "device", "expected"),
    [
        ("auto", "cpu", None),
        ("auto", "cuda", torch.bfloat16),
        ("fp32", "cuda", None),
        ("bf16", "cpu", torch.bfloat16),
    ],
)
def test_matrix_products_are_in_bfloat16_on_gpus_or_where_asked_for(prepared, precision, device, expected):
    assert autocast_type(runs.settings(prepared, precision=precision), torch.device(device)) == expected
