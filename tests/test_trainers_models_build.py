"""Models as they start."""

import itertools

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from curricula import InputError
from tests.bpe import by_hand
from tests.models import SMALL, tokenizer_of
from trainers.models.build import initial_model, model_of
from trainers.rng import Stream, derived_seed
from trainers.tokens.blocks import BlockTokenizer
from trainers.tokens.bpe import BpeTokenizer
from trainers.tokens.kmers import KmerTokenizer
from trainers.tokens.tokenizer import Tokenizer

PAIRS = KmerTokenizer(2)


def full_bpe() -> BpeTokenizer:
    """As many tokens as DNABERT-2 has: all words of up to five letters, and some of six."""
    words = ("".join(word) for length in range(2, 7) for word in itertools.product("ACGT", repeat=length))
    return by_hand(*(f"{word[:-1]} {word[-1]}" for word in itertools.islice(words, 4096 - 5 - 4)))


@pytest.mark.parametrize(
    ("name", "tokenizer", "millions"),
    [
        ("logo", KmerTokenizer(6), 4.933125),
        ("dnabert", KmerTokenizer(6), 89.196549),
        ("nucleotide_transformer", BlockTokenizer(6), 480.4),
        ("dnabert2", full_bpe(), 117.07),
        ("modern", KmerTokenizer(6), 5.05),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_models_have_the_published_number_of_parameters(name: str, tokenizer: Tokenizer, millions: float):
    with torch.device("meta"):
        model = model_of(name, tokenizer)
    found = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert found == pytest.approx(millions, abs=0.5 * 10 ** -len(str(millions).partition(".")[2]))


@pytest.mark.parametrize("name", SMALL)
def test_the_vocabulary_and_the_padding_are_those_of_the_tokenizer(name):
    model = initial_model(name, tokenizer_of(name), 0)
    assert model.get_output_embeddings().out_features == tokenizer_of(name).vocabulary_size
    assert model.config.pad_token_id == tokenizer_of(name).specials.pad


def test_bert_starts_as_transformers_draws_it():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(5, Stream.INITIALISATION, 0))
        shape = {"hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 8, "intermediate_size": 3072}
        expected = BertForMaskedLM(BertConfig(vocab_size=21, initializer_range=0.02, **shape))
    found = dict(initial_model("logo", PAIRS, 5).named_parameters())
    assert all(torch.equal(found.pop(name), parameter) for name, parameter in expected.named_parameters())
    assert not found


@pytest.mark.parametrize("name", SMALL)
def test_equal_seeds_start_from_equal_weights_whatever_was_drawn_before(name):
    tokenizer = tokenizer_of(name)
    first = initial_model(name, tokenizer, 5)
    torch.manual_seed(1)
    torch.rand(7)
    second, other = initial_model(name, tokenizer, 5), initial_model(name, tokenizer, 6)
    for key, parameter in first.named_parameters():
        assert torch.equal(parameter, second.get_parameter(key)), key
        if parameter.dim() == 2 and not key.endswith("position_embeddings.weight"):
            assert not torch.equal(parameter, other.get_parameter(key)), key


def test_making_a_model_draws_nothing_from_the_callers_generator():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    initial_model("tiny", PAIRS, 0)
    assert torch.equal(torch.rand(4), expected)


def test_tiny_starts_with_sinusoids_of_the_spread_of_its_weights():
    positions_PH = initial_model("tiny", PAIRS, 0).bert.embeddings.position_embeddings.weight.detach()
    assert float(positions_PH.std()) == pytest.approx(0.1, rel=0.15)
    assert positions_PH[0, :4].tolist() == pytest.approx([0.0, 0.1 * 2**0.5, 0.0, 0.1 * 2**0.5])


def test_the_longest_input_fits_the_positions_of_esm():
    model = initial_model("nt_tiny", tokenizer_of("nt_tiny"), 0).eval()
    with torch.no_grad():
        assert model(torch.full((1, 1000), 7)).logits.shape == (1, 1000, tokenizer_of("nt_tiny").vocabulary_size)


def test_an_unknown_preset_is_refused():
    with pytest.raises(InputError, match="did you mean `tiny`"):
        initial_model("tyny", PAIRS, 0)
