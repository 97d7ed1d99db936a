"""Windows over real and little genomes: never across N, a contig edge or the line between training and validation."""

import hashlib
import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from curricula import InputError
from tests.dna import corpus_of, with_gaps
from trainers.genome import bases
from trainers.genome.corpus import Corpus, Split, Windows

little_genomes = st.lists(with_gaps, min_size=1, max_size=4)


def stretches(corpus: Corpus) -> list[str]:
    return [bases.decode(corpus.codes[start:end]) for start, end in corpus.runs()]


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


def test_the_card_counts_letters_and_hashes_the_bases():
    corpus = corpus_of("AACNgt", "TTTT")
    assert corpus.card == {
        "source": "a test",
        "sha256": hashlib.sha256(bytes([0, 0, 2, 4, 3, 1, 1, 1, 1, 1])).hexdigest(),
        "contigs": {"c1": 6, "c2": 4},
        "counts": {"A": 2, "T": 5, "C": 1, "G": 1, "N": 1},
    }


def test_a_saved_corpus_comes_back(tmp_path):
    corpus = corpus_of("AACNGT", "TTTT")
    corpus.save(tmp_path / "corpus.arrow")
    opened = Corpus.open(tmp_path / "corpus.arrow")
    assert (opened.card, opened.contigs) == (corpus.card, corpus.contigs)
    assert opened.codes.tolist() == corpus.codes.tolist()
    assert stretches(opened) == stretches(corpus)
    assert [entry.name for entry in tmp_path.iterdir()] == ["corpus.arrow"]


def test_a_saved_genome_is_mapped_not_copied(genome, tmp_path):
    genome.save(tmp_path / "corpus.arrow")
    before = pa.total_allocated_bytes()
    opened = Corpus.open(tmp_path / "corpus.arrow")
    assert pa.total_allocated_bytes() - before < len(opened.codes) // 100
    assert not opened.codes.flags.owndata
    assert not opened.codes.flags.writeable


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
    with pytest.raises(InputError, match=r"none\.arrow is not a saved corpus"):
        Corpus.open(tmp_path / "none.arrow")


@pytest.mark.parametrize("contigs", [[], ["NNNN"], ["NN", "RYK"], [""]])
def test_a_genome_without_a_known_base_is_refused(contigs):
    with pytest.raises(InputError, match="a corpus must hold A, C, G or T, but a test has none"):
        corpus_of(*contigs)


def places(contigs: list[str], width: int) -> dict[int, tuple[int, int]]:
    """Every N-free window inside a contig, by brute force: flat start -> (contig, start in it)."""
    found, flat = {}, 0
    for number, letters in enumerate(contigs):
        for start in range(len(letters) - width + 1):
            if "N" not in letters[start : start + width]:
                found[flat + start] = (number, start)
        flat += len(letters)
    return found


def blocks_of(place: tuple[int, int], width: int, block: int) -> set[tuple[int, int]]:
    contig, start = place
    return {(contig, base // block) for base in range(start, start + width)}


def all_starts(corpus: Corpus, intervals: np.ndarray, width: int) -> list[int]:
    try:
        windows = Windows(corpus, intervals, width, "test")
    except InputError:
        return []
    starts = windows.starts(np.arange(len(windows)))
    flat = bases.decode(corpus.codes)
    assert [bases.decode(row.numpy()) for row in windows.read(starts)] == [flat[at : at + width] for at in starts]
    return starts.tolist()


@given(little_genomes, st.integers(1, 20), st.integers(1, 6), st.sampled_from([0.05, 0.1, 0.5, 0.9]), st.integers(0, 9))
def test_windows_are_all_and_only_those_that_cross_nothing(contigs, block, width, share, seed):
    assume(set("".join(contigs)) != {"N"})
    corpus = corpus_of(*contigs)
    training, validation = Split(block, share, seed).intervals(corpus)
    single = {start: blocks_of(place, 1, block) for start, place in places(contigs, 1).items()}
    held_out = set().union(*(single[base] for start, end in validation for base in range(start, end)))
    every_block = set().union(*single.values())
    assert len(held_out) == max(1, round(share * len(every_block)))

    possible = {start: blocks_of(place, width, block) for start, place in places(contigs, width).items()}
    seen_in_training = all_starts(corpus, training, width)
    seen_in_validation = all_starts(corpus, validation, width)
    assert seen_in_training == [start for start, blocks in possible.items() if not blocks & held_out]
    assert seen_in_validation == [
        start for start, blocks in possible.items() if len(blocks) == 1 and blocks <= held_out
    ]


def test_the_split_depends_on_its_seed_only(genome):
    first, second = (Split(20_000, 0.1, 5).intervals(genome) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    assert not np.array_equal(first[1], Split(20_000, 0.1, 6).intervals(genome)[1])


def test_a_tenth_of_the_embedded_genome_is_held_out(genome):
    training, validation = (part[:, 1] - part[:, 0] for part in Split(20_000, 0.1, 0).intervals(genome))
    known = sum(genome.card["counts"][letter] for letter in "ACGT")
    assert training.sum() + validation.sum() == known
    assert validation.sum() == pytest.approx(0.1 * known, rel=0.25)


@pytest.mark.parametrize(
    ("contigs", "block", "longest"), [(["ACGTA", "ACG"], 5, (3, 5)), (["ACGTNNACG"], 9, (0, 4)), (["AC"], 1, (1, 1))]
)
def test_no_room_for_a_window_is_said_with_the_longest_stretch(contigs, block, longest):
    corpus = corpus_of(*contigs)
    for purpose, intervals in zip(("training", "validation"), Split(block, 0.5, 0).intervals(corpus), strict=True):
        room = int((intervals[:, 1] - intervals[:, 0]).max()) if len(intervals) else 0
        assert room in longest
        with pytest.raises(InputError, match=f"a {purpose} window of 6 bases .* longest stretch of a test has {room}"):
            Windows(corpus, intervals, 6, purpose)


def test_a_sample_is_a_function_of_seed_and_number(genome):
    windows = Windows(genome, Split(20_000, 0.1, 0).intervals(genome)[0], 30, "training")
    together = windows.sample(3, torch.arange(100))
    shuffled = torch.randperm(100)
    assert together.dtype == torch.uint8
    assert torch.equal(windows.sample(3, shuffled), together[shuffled])
    assert torch.equal(windows.sample(3, torch.tensor([42]))[0], together[42])
    assert not torch.equal(windows.sample(4, torch.arange(100)), together)
    assert int(together.max()) < bases.OTHER


def test_every_window_is_drawn_equally_often():
    corpus = corpus_of("ACGTACG", "TTTNGGGCA")  # windows of 3: 5 + 1 + 3
    windows = Windows(corpus, corpus.runs(), 3, "training")
    drawn = Counter(map(bases.decode, windows.sample(0, torch.arange(9000)).numpy()))
    assert set(drawn) == {"ACG", "CGT", "GTA", "TAC", "TTT", "GGG", "GGC", "GCA"}
    expected = dict.fromkeys(drawn, 1000) | {"ACG": 2000}  # ACG stands twice in c1
    assert all(abs(count - expected[word]) < 150 for word, count in drawn.items()), drawn


def test_a_card_is_json_as_it_is_saved(genome):
    assert json.loads(json.dumps(genome.card)) == genome.card
