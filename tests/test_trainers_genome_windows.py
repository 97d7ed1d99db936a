"""Windows over real and little genomes: never across N, a contig edge or the line between training and validation."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from curricula import InputError
from tests.dna import corpus_of, random_letters, with_gaps
from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.genome.intervals import total
from trainers.genome.split import Split
from trainers.genome.windows import Windows

little_genomes = st.lists(with_gaps, min_size=1, max_size=4)


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
    flat = corpus.letters(0, corpus.length).decode()
    assert [bases.decode(row.numpy()) for row in windows.read(starts)] == [flat[at : at + width] for at in starts]
    return sorted(starts.tolist())


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
    windows = Windows(corpus, corpus.known, 3, "training")
    drawn = Counter(map(bases.decode, windows.sample(0, torch.arange(9000)).numpy()))
    assert set(drawn) == {"ACG", "CGT", "GTA", "TAC", "TTT", "GGG", "GGC", "GCA"}
    expected = dict.fromkeys(drawn, 1000) | {"ACG": 2000}  # ACG stands twice in c1
    assert all(abs(count - expected[word]) < 150 for word, count in drawn.items()), drawn


@given(little_genomes, st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_windows_of_any_width_are_numbered_without_gaps(contigs, widths):
    corpus = corpus_of(*contigs, "ACGT")
    windows = Windows(corpus, corpus.known, 1, "test")
    for width in widths:
        (count,) = windows.counts(np.array([width]))
        expected = sorted(places([*contigs, "ACGT"], width))
        assert count == len(expected)
        assert sorted(windows.starts(np.arange(count), np.full(count, width)).tolist()) == expected


def test_widths_of_one_batch_do_not_disturb_each_other():
    corpus = corpus_of("ACGTACGTAC", "GGG", "TTTTT")
    windows = Windows(corpus, corpus.known, 3, "test")
    numbers, widths = np.array([0, 1, 2, 3, 0, 17]), np.array([10, 9, 3, 5, 5, 1])
    alone = [int(windows.starts(numbers[[at]], widths[[at]])[0]) for at in range(len(numbers))]
    assert windows.starts(numbers, widths).tolist() == alone


def test_contigs_can_be_kept_for_validation():
    corpus = corpus_of("ACGTNACGT", "GGGG", "TTTTTT")
    training, validation = Split(4, 0.5, 0, contigs=("c2", "c[3]")).intervals(corpus)
    assert (training.tolist(), validation.tolist()) == ([[0, 4], [5, 9]], [[9, 13], [13, 19]])
    with pytest.raises(InputError, match=r"`chr2` must fit a contig of a test \(did you mean `c2`\?\)"):
        Split(4, 0.5, 0, contigs=("c2", "chr2")).intervals(corpus)


@given(st.integers(0, 30), st.integers(0, 9))
def test_no_training_base_lies_within_the_margin_of_a_validation_block(margin, seed):
    contigs = [random_letters(200, seed=seed), random_letters(90, seed=seed + 1)]
    corpus = corpus_of(*contigs)
    training, validation = Split(40, 0.3, seed, margin).intervals(corpus)
    _, same = Split(40, 0.3, seed).intervals(corpus)
    assert validation.tolist() == same.tolist()
    trained = {base for start, end in training for base in range(start, end)}
    near = set()
    for start, end in validation:
        low, high = (0, 200) if start < 200 else (200, 290)
        near |= set(range(max(low, start - margin), min(high, end + margin)))
    assert trained == set(range(290)) - near
    assert total(training) == len(trained)
