"""Encoder and head are what the whole model is made of, and padding is not seen."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.models import SMALL, dna, small
from trainers.models.parts import encode, encode_first, encoder_of, head_of


class Questions(TorchDispatchMode):
    """Notes what makes the host wait for a GPU: values, or sizes that depend on values."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        if torch.Tag.data_dependent_output in function.tags or torch.Tag.dynamic_output_shape in function.tags:
            self.asked.append(str(function))
        return function(*arguments, **(named or {}))


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_the_head_over_the_encoder_is_the_model(name):
    one = small(name)
    ids_BT = one.tokenizer.encode([dna(60), dna(60, 500_000)])
    real_BT = (ids_BT != one.tokenizer.specials.pad).long()
    hidden_BTH = encoder_of(one.model)(ids_BT, attention_mask=real_BT).last_hidden_state
    assert hidden_BTH.shape == (*ids_BT.shape, one.model.config.hidden_size)
    logits_BTV = one.model(ids_BT, attention_mask=real_BT).logits
    torch.testing.assert_close(head_of(one.model)(hidden_BTH), logits_BTV, rtol=0, atol=1e-6)
    some_MH = hidden_BTH.flatten(0, 1)[[1, 5]]
    torch.testing.assert_close(head_of(one.model)(some_MH), logits_BTV.flatten(0, 1)[[1, 5]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_padding_changes_nothing_for_real_tokens(name):
    one = small(name)
    short, long = dna(30), dna(90, 500_000)
    together_BT, alone_1T = one.tokenizer.encode([short, long]), one.tokenizer.encode([short])
    real_BT = (together_BT != one.tokenizer.specials.pad).long()
    assert 0 in real_BT
    expected_1TV = one.model(alone_1T).logits
    found_1TV = one.model(together_BT, attention_mask=real_BT).logits[:1, : alone_1T.shape[1]]
    torch.testing.assert_close(found_1TV, expected_1TV, rtol=0, atol=1e-5)
    seen_1TV = one.model(together_BT, attention_mask=torch.ones_like(real_BT)).logits[:1, : alone_1T.shape[1]]
    assert not torch.allclose(seen_1TV, expected_1TV, atol=1e-3)  # so that the mask was needed


@pytest.mark.parametrize("name", SMALL)
def test_without_padding_nothing_waits_for_the_device(name):
    one = small(name)
    ids_BT = one.tokenizer.encode([dna(60)] * 2)
    with Questions() as questions:
        assert bool(ids_BT.any())
        assert len(questions.asked) == 1
        hidden_BTH = encoder_of(one.model.train())(ids_BT, attention_mask=None).last_hidden_state
        head_of(one.model)(hidden_BTH).sum().backward()
    assert len(questions.asked) == 1


@pytest.mark.parametrize("name", SMALL)
def test_the_loss_reaches_every_parameter_that_waits_for_a_gradient(name):
    one = small(name)
    one.model(one.tokenizer.encode([dna(60)])).logits.square().sum().backward()
    trained = {name: parameter for name, parameter in one.model.named_parameters() if parameter.requires_grad}
    assert [name for name, parameter in trained.items() if parameter.grad is None] == []  # several workers would wait


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_padding_is_not_attended_to_and_the_device_is_not_asked_about_it(name):
    one = small(name)
    together_BT = one.tokenizer.encode([dna(30), dna(90, 500_000)])
    alone_1T = one.tokenizer.encode([dna(30)])
    real_BT = together_BT != one.tokenizer.specials.pad
    expected = encode(one.model, alone_1T, None)
    with Questions() as questions:
        found = encode(one.model, together_BT, real_BT)[:1, : alone_1T.shape[1]]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert not questions.asked


@pytest.mark.parametrize("lengths", [(60, 60), (30, 90)])
@pytest.mark.parametrize("name", SMALL)
def test_the_first_token_alone_is_read_as_beside_the_others(name, lengths):
    one = small(name)
    encoder = encoder_of(one.model).eval()
    ids_BT = one.tokenizer.encode([dna(lengths[0]), dna(lengths[1], 500_000)])
    real_BT = ids_BT != one.tokenizer.specials.pad
    seen_BT = None if lengths[0] == lengths[1] else real_BT
    found, expected = [], []
    for states_BH, kept in (
        (encode_first(encoder, ids_BT, seen_BT), found),
        (encode(encoder, ids_BT, seen_BT)[:, 0], expected),
    ):
        encoder.zero_grad()
        (states_BH * torch.arange(states_BH.numel()).view_as(states_BH).cos()).sum().backward()
        kept += [states_BH.detach(), *(part.grad for part in encoder.parameters() if part.grad is not None)]
    assert len(found) == len(expected) > 10
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
