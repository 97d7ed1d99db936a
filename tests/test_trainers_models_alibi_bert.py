"""DNABERT-2's architecture; its forward pass is written out in the tests of `trainers.models.published`."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForMaskedLM

from tests.models import dna, small
from trainers.models.alibi_bert import AlibiBertForMaskedLM, slopes_of

NAMES = """
bert.embeddings.word_embeddings.weight bert.embeddings.token_type_embeddings.weight
bert.embeddings.LayerNorm.weight bert.embeddings.LayerNorm.bias
bert.encoder.layer.N.attention.self.Wqkv.weight bert.encoder.layer.N.attention.self.Wqkv.bias
bert.encoder.layer.N.attention.output.dense.weight bert.encoder.layer.N.attention.output.dense.bias
bert.encoder.layer.N.attention.output.LayerNorm.weight bert.encoder.layer.N.attention.output.LayerNorm.bias
bert.encoder.layer.N.mlp.gated_layers.weight bert.encoder.layer.N.mlp.wo.weight bert.encoder.layer.N.mlp.wo.bias
bert.encoder.layer.N.mlp.layernorm.weight bert.encoder.layer.N.mlp.layernorm.bias
cls.predictions.transform.dense.weight cls.predictions.transform.dense.bias
cls.predictions.transform.LayerNorm.weight cls.predictions.transform.LayerNorm.bias
cls.predictions.decoder.weight cls.predictions.decoder.bias
"""
SHAPE = {"vocab_size": 30, "hidden_size": 36, "num_hidden_layers": 1, "intermediate_size": 8}


@pytest.mark.parametrize(
    ("heads", "minus_log2"),
    [
        (1, [8]),
        (2, [4, 8]),
        (8, [1, 2, 3, 4, 5, 6, 7, 8]),
        (3, [4, 8, 2]),  # those of two heads, and the first of four
        (12, [1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5]),  # every second of sixteen
    ],
)
def test_slopes_are_those_of_the_paper(heads, minus_log2):
    assert slopes_of(heads) == pytest.approx([2.0**-power for power in minus_log2])


def test_each_head_attends_by_its_slope_where_queries_say_nothing():
    model = AutoModelForMaskedLM.from_config(AutoConfig.for_model("alibi_bert", num_attention_heads=12, **SHAPE)).eval()
    attention = model.bert.encoder.layer[0].attention.self
    with torch.no_grad():
        attention.Wqkv.weight.zero_()[72:] = torch.eye(36)  # queries and keys are 0, values are what comes in
        seen: list[torch.Tensor] = []
        attention.register_forward_hook(lambda module, inputs, output: seen.extend([inputs[0], output]))
        model(torch.arange(5, 12)[None])
    values_TH, mixed_TH = seen[0][0], seen[1][0]
    distance_TT = (torch.arange(7)[:, None] - torch.arange(7)).abs()
    for head, slope in enumerate(slopes_of(12)):
        own = slice(3 * head, 3 * head + 3)
        torch.testing.assert_close(mixed_TH[:, own], (-slope * distance_TT).softmax(dim=1) @ values_TH[:, own])


def test_parameters_have_the_names_of_the_published_checkpoint():
    expected = {name.replace(".N.", f".{layer}.") for name in NAMES.split() for layer in range(2)}
    assert set(small("dnabert2_tiny").model.state_dict()) == expected


def test_transformers_knows_it_by_name():
    model = AutoModelForMaskedLM.from_config(AutoConfig.for_model("alibi_bert", num_attention_heads=2, **SHAPE))
    assert isinstance(model, AlibiBertForMaskedLM)
    assert model.config._attn_implementation == "sdpa"
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_activation_checkpointing_gives_the_same_gradients():
    one = small("dnabert2_tiny")
    ids_BT = one.tokenizer.encode([dna(60), dna(30, 500_000)])
    real_BT = (ids_BT != one.tokenizer.specials.pad).long()

    def gradients() -> list[torch.Tensor]:
        one.model.train().zero_grad()
        torch.manual_seed(0)  # of dropout
        one.model(ids_BT, real_BT).logits[real_BT.bool()].square().mean().backward()
        return [parameter.grad.clone() for parameter in one.model.parameters()]

    expected = gradients()
    one.model.activation_checkpointing_enable()
    for found, wanted in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(found, wanted)


@torch.no_grad()
def test_half_precision_is_near_and_padding_stays_unseen_in_it():
    one = small("dnabert2_tiny")
    short, long = dna(30), dna(90, 500_000)
    together_BT, alone_1T = one.tokenizer.encode([short, long]), one.tokenizer.encode([short])
    real_BT = (together_BT != one.tokenizer.specials.pad).long()
    expected_1TV = one.model(alone_1T).logits
    with torch.autocast("cpu", torch.bfloat16):
        found_BTV = one.model(together_BT, attention_mask=real_BT).logits
    assert found_BTV.dtype == torch.bfloat16
    torch.testing.assert_close(found_BTV[:1, : alone_1T.shape[1]].float(), expected_1TV, rtol=0, atol=0.1)
    assert float(expected_1TV.std()) > 0.5  # so that 0.1 is near


@torch.no_grad()
def test_it_is_traced_in_one_piece():
    one = small("dnabert2_tiny")
    traced = torch.compile(one.model, backend="eager", fullgraph=True, dynamic=True)
    for length in (60, 90):
        ids_BT = one.tokenizer.encode([dna(length), dna(30)])
        real_BT = (ids_BT != one.tokenizer.specials.pad).long()
        expected_BTV = one.model(ids_BT, attention_mask=real_BT).logits
        torch.testing.assert_close(traced(ids_BT, attention_mask=real_BT).logits, expected_BTV)
