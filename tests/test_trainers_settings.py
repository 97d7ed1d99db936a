"""What tells one run from another."""

import dataclasses

import pytest

from curricula import InputError
from curricula.linear import Linear
from tests import runs
from trainers.settings import Budget


@pytest.fixture
def settings(prepared):
    return runs.settings(prepared)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 0}, "`length` must be at least 1, but got 0"),
        ({"batch": -1}, "`batch` must be at least 1, but got -1"),
        ({"horizon": 0}, "`horizon` must be at least 1, but got 0"),
        ({"validate_every": 0}, "`validate_every` must be at least 1, but got 0"),
        ({"length": 3}, "length must be at least 2k = 4 tokens, but got length=3"),
        ({"length": 511}, r"length \+ 2 must not exceed the 512 positions of preset tiny, but got length=511"),
        ({"k": 1, "preset": "nt_tiny"}, r"k must lie in 2\.\.8 for the blocks of preset nt_tiny, but got k=1"),
        (
            {"k": 6, "preset": "nt_tiny", "length": 5970},
            "more tokens than the 1000 positions of preset nt_tiny, but with length=5970 they may take 1001",
        ),
        ({"k": 0}, r"k must lie in 1\.\.8, but got k=0"),
        ({"preset": "tinny"}, r"no model preset `tinny` \(did you mean `tiny`\?\)"),
        ({"curriculum": "linaer"}, "did you mean `linear`"),
        ({"arguments": {"begin": 0.2}}, "curriculum `linear` has no argument `begin`"),
        ({"arguments": {"start": "0.2"}}, "`start` must be of type float"),
    ],
)
def test_settings_that_no_run_can_have_are_refused(settings, change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(settings, **change)


def test_whole_tokens_need_fewer_positions_and_a_model_without_positions_reads_rows_of_any_length(settings):
    dataclasses.replace(settings, preset="nt_tiny", k=6, length=5969)  # 5,974 bases: 995 blocks, 4 letters, <cls>
    dataclasses.replace(settings, preset="dnabert2_tiny", k=6, length=100_000)


@pytest.mark.parametrize(
    "change",
    [
        {"preset": "logo"},
        {"length": 25},
        {"k": 3},
        {"batch": 16},
        {"curriculum": "constant"},
        {"arguments": {"start": 0.31}},
        {"learning_rate": 0.007},
        {"warmup": 3},
        {"weight_decay": 0.0},
        {"clip": 0.5},
        {"horizon": 11},
        {"budget": Budget.PAPER},
        {"seed": 1},
        {"validate_every": 5},
        {"data_sha256": "0" * 64},
    ],
    ids=str,
)
def test_every_setting_changes_the_fingerprint(settings, change):
    assert dataclasses.replace(settings, **change).fingerprint() != settings.fingerprint()


def test_a_default_spelt_out_does_not_change_the_fingerprint(settings):
    spelt_out = dataclasses.replace(settings, arguments={"end": 0.15, "start": 0.30, "span": 1})
    assert spelt_out.fingerprint() == settings.fingerprint()
    assert spelt_out.make_curriculum() == settings.make_curriculum() == Linear()
