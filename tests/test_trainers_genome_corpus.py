"""Genomes as mapped files of two bits a base."""

import hashlib
import json
import pickle
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curricula import InputError
from tests.dna import corpus_of, with_gaps
from trainers.genome import bases
from trainers.genome.corpus import Contig, Corpus

little_genomes = st.lists(with_gaps, min_size=1, max_size=4)


def stretches(corpus: Corpus) -> list[str]:
    return [bases.decode(corpus.codes(start, end)) for start, end in corpus.known]


def letters_of(corpus: Corpus) -> str:
    return corpus.letters(0, corpus.length).decode()


@pytest.mark.parametrize(
    ("contigs", "runs"),
    [
        (["ACGT"], ["ACGT"]),
        (["ACGT", "TTT"], ["ACGT", "TTT"]),
        (["NNACNGTNN"], ["AC", "GT"]),
        (["ACN", "NGT"], ["AC", "GT"]),
        (["NNN", "A", "NNN"], ["A"]),
        (["AC", "", "GT"], ["AC", "GT"]),
        (["ACRGT"], ["AC", "GT"]),
    ],
)
def test_runs_end_at_n_and_at_contig_edges(contigs, runs):
    assert stretches(corpus_of(*contigs)) == runs


@given(little_genomes)
def test_runs_hold_every_known_base_once(contigs):
    assume(set("".join(contigs)) != {"N"})
    pieces = [piece for letters in contigs for piece in letters.split("N") if piece]
    assert stretches(corpus_of(*contigs)) == pieces


def test_the_card_counts_letters_and_hashes_the_normal_form():
    corpus = corpus_of("AAryNgt", "", "TTTT")
    normal = b">c1\nAANNNGT\n>c2\n\n>c3\nTTTT\n"
    assert corpus.card == {
        "source": "a test",
        "format": 2,
        "sha256": hashlib.sha256(normal).hexdigest(),
        "contigs": {"c1": 7, "c2": 0, "c3": 4},
        "counts": {"A": 2, "T": 5, "C": 0, "G": 1, "N": 3},
        "soft_masked_share": 0.25,
        "soft_masked_sha256": hashlib.sha256(np.array([5, 7], np.int64)).hexdigest(),
    }
    assert letters_of(corpus) == "AANNNgtTTTT"
    assert corpus.contigs == (Contig("c1", 0, 7), Contig("c2", 7, 0), Contig("c3", 7, 4))


@given(st.lists(st.text("ACGTNacgtnRyK", max_size=60), min_size=1, max_size=4), st.integers(0, 60), st.integers(0, 60))
def test_any_stretch_comes_back_in_normal_form(contigs, one, other):
    normal = "".join(re.sub("[^ACGTacgt]", "N", letters) for letters in contigs)
    assume(set(normal) - {"N"})
    corpus = corpus_of(*contigs)
    start, end = sorted((one % (len(normal) + 1), other % (len(normal) + 1)))
    assert corpus.letters(start, end).decode() == normal[start:end]
    positions = np.flatnonzero(np.frombuffer(normal.encode(), np.uint8) != ord("N"))
    assert bases.decode(corpus.codes_at(positions)) == normal.replace("N", "").upper()
    known = [
        place for place in positions if set(normal[place : place + 5]) <= set("ACGTacgt") and place + 5 <= len(normal)
    ]
    if known:
        read = corpus.read(np.array(known), 5)
        assert [bases.decode(row) for row in read] == [normal[place : place + 5].upper() for place in known]


def test_a_saved_corpus_comes_back(tmp_path):
    corpus = corpus_of("AACNGT", "TTTT")
    corpus.save(tmp_path / "corpus.arrow")
    opened = Corpus.open(tmp_path / "corpus.arrow")
    assert (opened.card, opened.contigs) == (corpus.card, corpus.contigs)
    assert letters_of(opened) == letters_of(corpus) == "AACNGTTTTT"
    assert stretches(opened) == stretches(corpus)
    assert [entry.name for entry in tmp_path.iterdir()] == ["corpus.arrow"]


def test_a_corpus_travels_to_other_processes_as_its_path(tmp_path):
    corpus = corpus_of("AACNGT")
    assert letters_of(pickle.loads(pickle.dumps(corpus))) == "AACNGT"  # noqa: S301 - made a line before
    corpus.save(tmp_path / "corpus.arrow")
    travelling = pickle.dumps(Corpus.open(tmp_path / "corpus.arrow"))
    assert len(travelling) < 300
    assert letters_of(pickle.loads(travelling)) == "AACNGT"  # noqa: S301


def test_a_saved_genome_is_mapped_not_copied(genome):
    assert genome.path is not None
    before = pa.total_allocated_bytes()
    opened = Corpus.open(genome.path)
    assert pa.total_allocated_bytes() - before < opened.length // 100
    packed = opened.packed(0, opened.length // 4)
    assert not packed.flags.owndata
    assert not packed.flags.writeable


def test_any_arrow_reader_reads_the_file(genome):
    """The frame around the bases is Arrow's own: the file is whole, and validates."""
    table = pa.ipc.open_file(pa.OSFile(str(genome.path))).read_all()
    table.validate(full=True)
    assert table.column_names == ["packed", "known", "repeats", "card"]
    assert len(table["packed"][0].as_py()) == genome.length // 4 + 8


def test_a_corpus_of_another_format_is_refused(tmp_path):
    corpus = corpus_of("ACGT")
    corpus.card["format"] = 1
    corpus.save(tmp_path / "old.arrow")
    with pytest.raises(InputError, match=r"must be of format 2, but .*old\.arrow is of format 1; prepare it again"):
        Corpus.open(tmp_path / "old.arrow")


def test_a_corpus_that_was_cut_is_refused(genome, tmp_path):
    whole = genome.path.read_bytes()
    for length in (0, 10, 1000, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.arrow").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.arrow is not a saved corpus"):
            Corpus.open(tmp_path / "cut.arrow")


@pytest.mark.parametrize("content", [b"", b">c1\nACGT\n", None], ids=["empty", "FASTA", "another Arrow file"])
def test_a_file_that_is_no_corpus_is_refused(tmp_path, content):
    path = tmp_path / "corpus.arrow"
    if content is None:
        table = pa.table({"bases": [1, 2]})
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"corpus\.arrow is not a saved corpus"):
        Corpus.open(path)


def test_a_missing_corpus_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.arrow does not exist"):
        Corpus.open(tmp_path / "none.arrow")


@pytest.mark.parametrize("contigs", [[], ["NNNN"], ["NN", "RYK"], [""]])
def test_a_genome_without_a_known_base_is_refused(contigs):
    with pytest.raises(InputError, match="a corpus must hold A, C, G or T, but a test has none"):
        corpus_of(*contigs)


def test_a_card_is_json_as_it_is_saved(genome):
    assert json.loads(json.dumps(genome.card)) == genome.card
