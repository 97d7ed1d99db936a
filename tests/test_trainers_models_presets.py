"""Sizes of the models."""

import pytest

from curricula import InputError
from trainers.models.presets import PRESETS, preset


@pytest.mark.parametrize(
    ("name", "layers_hidden_heads_feed_forward", "dropout"),
    [("logo", (2, 256, 8, 3072), 0.0), ("dnabert", (12, 768, 12, 3072), 0.1), ("tiny", (2, 64, 2, 256), 0.0)],
)
def test_shapes_are_the_published_ones(name, layers_hidden_heads_feed_forward, dropout):
    shape = preset(name)
    assert (shape.layers, shape.hidden, shape.heads, shape.feed_forward) == layers_hidden_heads_feed_forward
    assert shape.dropout == dropout
    assert shape.positions == 512  # 510 k-mers, [CLS] and [SEP]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dnabret", r"there is no model preset `dnabret` \(did you mean `dnabert`\?\)"),
        ("gpt", r"there is no model preset `gpt` \(known: dnabert, dnabert2, .*, tiny\)"),
    ],
)
def test_an_unknown_preset_is_refused_with_the_nearest(name, message):
    with pytest.raises(InputError, match=message):
        preset(name)


def test_tokens_and_positions_are_those_of_the_published_families():
    assert {name for name, shape in PRESETS.items() if shape.tokens == "blocks"} == {
        "nucleotide_transformer",
        "nt_tiny",
    }
    assert {name for name, shape in PRESETS.items() if shape.tokens == "bpe"} == {"dnabert2", "dnabert2_tiny"}
    assert preset("nucleotide_transformer").positions == 1000
    assert preset("dnabert2").positions is None  # ALiBi


@pytest.mark.parametrize("name", PRESETS)
def test_heads_share_the_hidden_size(name):
    assert preset(name).hidden % preset(name).heads == 0
