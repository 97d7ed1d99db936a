"""Models as they start."""

import pytest
import torch
from transformers import BertForMaskedLM

from curricula import InputError
from trainers.models.build import bert_config, initial_model


@pytest.mark.parametrize(("name", "millions"), [("logo", 4.93), ("dnabert", 89.2)])
def test_models_have_the_published_number_of_parameters(name, millions):
    with torch.device("meta"):
        model = BertForMaskedLM(bert_config(name, 6))
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.001)


def test_the_vocabulary_is_that_of_the_tokenizer():
    assert bert_config("logo", 6).vocab_size == 4101
    assert initial_model("tiny", 3, 0).cls.predictions.decoder.out_features == 69


def test_equal_seeds_start_from_equal_weights_whatever_was_drawn_before():
    first = initial_model("tiny", 2, 5)
    torch.manual_seed(1)
    torch.rand(7)
    second = initial_model("tiny", 2, 5)
    other = initial_model("tiny", 2, 6)
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, second.get_parameter(name)), name
    for name in ("bert.embeddings.word_embeddings.weight", "bert.encoder.layer.1.attention.self.query.weight"):
        assert not torch.equal(first.get_parameter(name), other.get_parameter(name)), name


def test_making_a_model_draws_nothing_from_the_callers_generator():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    initial_model("tiny", 2, 0)
    assert torch.equal(torch.rand(4), expected)


def test_tiny_starts_with_sinusoids_of_the_spread_of_its_weights():
    positions_PH = initial_model("tiny", 2, 0).bert.embeddings.position_embeddings.weight.detach()
    assert float(positions_PH.std()) == pytest.approx(0.1, rel=0.15)
    assert positions_PH[0, :4].tolist() == pytest.approx([0.0, 0.1 * 2**0.5, 0.0, 0.1 * 2**0.5])


def test_an_unknown_preset_is_refused():
    with pytest.raises(InputError, match="did you mean `tiny`"):
        initial_model("tyny", 2, 0)
