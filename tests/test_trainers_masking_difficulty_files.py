"""Saved NPMI tables: they come back as they were, and one that is not what a run needs is refused."""

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curricula import InputError
from tests.dna import corpus_of, random_letters
from trainers.masking.difficulty import Difficulty
from trainers.settings import NpmiFormula


def test_a_saved_table_comes_back(tmp_path):
    path = tmp_path / "difficulty.parquet"
    corpus = corpus_of(random_letters(300), "ACGT")
    formula = NpmiFormula("pairs", "both", 7)
    table = Difficulty.of(corpus, 2, formula)
    table.save(path)
    opened = Difficulty.open(path, 2, corpus.card["sha256"], formula)
    for name in ("counts", "npmi", "rank", "quantile"):
        assert np.array_equal(getattr(opened, name), getattr(table, name)), name
    assert opened.card == {
        "format": 2,
        "corpus": "a test",
        "corpus_sha256": corpus.card["sha256"],
        "contigs": ["c1", "c2"],
        "k": 2,
        "parts": "pairs",
        "strands": "both",
        "minimum_count": 7,
        "repeats": "keep",
        "shuffled_seed": None,
        "tokens": 604,  # 299 + 3 on each strand
        "distinct": 16,
    }


def test_words_that_never_occur_and_placebos_are_saved_too(tmp_path):
    corpus = corpus_of("ACACACACAC", "GTGTGT")
    for table in (Difficulty.of(corpus, 3), Difficulty.of(corpus, 3).shuffled(5)):
        table.save(tmp_path / "difficulty.parquet")
        opened = Difficulty.open(
            tmp_path / "difficulty.parquet", 3, corpus.card["sha256"], shuffled_seed=table.card["shuffled_seed"]
        )
        assert np.isneginf(opened.npmi).sum() == 60  # all but ACA, CAC, GTG, TGT
        assert opened.npmi.tolist() == table.npmi.tolist()


@pytest.fixture
def saved(tmp_path):
    corpus = corpus_of("ACGTACGTTT")
    Difficulty.of(corpus, 2).save(tmp_path / "difficulty.parquet")
    return tmp_path / "difficulty.parquet", corpus.card["sha256"]


def test_a_table_of_another_k_or_corpus_is_refused(saved):
    path, sha256 = saved
    with pytest.raises(InputError, match=r"difficulty\.parquet has k=2 and corpus .* while this run has k=3"):
        Difficulty.open(path, 3, sha256)
    other = corpus_of("ACGTACGA").card["sha256"]
    with pytest.raises(InputError, match=f"this run has k=2 and corpus {other[:12]}"):
        Difficulty.open(path, 2, other)


@pytest.mark.parametrize(
    ("asked", "difference"),
    [
        ({"formula": NpmiFormula("pairs")}, "parts=all, while this run has parts=pairs"),
        ({"formula": NpmiFormula(strands="both")}, "strands=forward, while this run has strands=both"),
        ({"formula": NpmiFormula(minimum_count=5)}, "minimum_count=101, while this run has minimum_count=5"),
        ({"shuffled_seed": 3}, "shuffled_seed=None, while this run has shuffled_seed=3"),
        (
            {"formula": NpmiFormula("naive", minimum_count=9)},
            "parts=all, minimum_count=101, while this run has parts=naive, minimum_count=9",
        ),
    ],
)
def test_a_table_of_another_formula_is_refused(saved, asked, difference):
    path, sha256 = saved
    with pytest.raises(InputError, match=rf"the formula it was made with, but .*difficulty\.parquet has {difference}"):
        Difficulty.open(path, 2, sha256, **asked)


def rewritten(path, columns=(), card=()):
    """Replace columns (None: leave out) and entries of the card in a saved table."""
    table = pq.read_table(path)
    held = {name: table.column(name) for name in table.column_names} | dict(columns)
    entries = json.loads(table.schema.metadata[b"card"]) | dict(card)
    kept = {name: value for name, value in entries.items() if value != "left out"}
    changed = pa.table({name: values for name, values in held.items() if values is not None})
    pq.write_table(changed.replace_schema_metadata({"card": json.dumps(kept)}), path)


def changed(path, name, row, value):
    values = pq.read_table(path).column(name).to_pylist()
    values[row] = value
    return {name: pa.array(values, type=pq.read_table(path).schema.field(name).type)}


@pytest.mark.parametrize(
    ("column", "row", "value", "flaw"),
    [
        ("npmi", 3, math.nan, "`npmi` is NaN in row 3"),
        ("quantile", 15, math.nan, "`quantile` is NaN in row 15"),
        ("npmi", 2, math.inf, "`npmi` is inf in row 2, where `count` is 2"),
        ("npmi", 2, -math.inf, "`npmi` is -inf in row 2, where `count` is 2"),
        ("npmi", 0, 0.5, "`npmi` is 0.5 in row 0, where `count` is 0"),
        ("npmi", 2, -9.0, "`rank` and `quantile` do not follow from `npmi` and `count`"),
        ("rank", 0, 1, r"`rank` is no permutation of 0\.\.15"),
        ("quantile", 2, 0.123, "`rank` and `quantile` do not follow"),
        ("count", 2, 3, "`count` adds up to 10, its card says 9 tokens"),
        ("count", 2, -2, "`count` is -2 in row 2"),
    ],
)
def test_a_damaged_table_is_refused(saved, column, row, value, flaw):
    path, sha256 = saved
    rewritten(path, changed(path, column, row, value))
    message = rf"the NPMI table .*difficulty\.parquet is damaged: {flaw}.*; delete it to have it made again$"
    with pytest.raises(InputError, match=message):
        Difficulty.open(path, 2, sha256)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"rank": None}, r"must have a column `rank` of int64, but .* has None"),
        ({"npmi": pa.array(["0.5"] * 16)}, r"must have a column `npmi` of double, but .* has string"),
        ({"count": pa.array([*range(15), None])}, r"no value .* may be missing, but `count` of .* lacks some"),
    ],
    ids=["missing", "letters", "null"],
)
def test_a_table_with_other_columns_is_refused(saved, columns, message):
    path, sha256 = saved
    rewritten(path, columns)
    with pytest.raises(InputError, match=message):
        Difficulty.open(path, 2, sha256)


def test_a_table_with_a_row_too_few_is_refused(saved):
    path, sha256 = saved
    pq.write_table(pq.read_table(path).slice(0, 15), path)
    with pytest.raises(InputError, match=r"must have 4\^k = 16 rows, but .*difficulty\.parquet has 15"):
        Difficulty.open(path, 2, sha256)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"format": "left out"}, "must have format 2, but .* has None; delete it to have it made again"),
        ({"format": 1}, "must have format 2, but .* has 1"),
        ({"strands": "left out"}, "the card of an NPMI table must have `strands`, but that of .* has not"),
    ],
)
def test_a_table_with_another_card_is_refused(saved, card, message):
    path, sha256 = saved
    rewritten(path, card=card)
    with pytest.raises(InputError, match=message):
        Difficulty.open(path, 2, sha256)


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "letters.parquet").write_text("ACGT")
    pq.write_table(pa.table({"count": [1, 2]}), tmp_path / "another.parquet")
    for name in ("none", "letters", "another"):
        with pytest.raises(InputError, match=rf"{name}\.parquet is not a saved NPMI table"):
            Difficulty.open(tmp_path / f"{name}.parquet", 6, "")
