"""Training samples: lengths, strands, repeats, tiles; each a pure function of (seed, number)."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curricula import InputError
from tests.dna import corpus_of, random_letters
from tests.words import reverse_complement
from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.genome.sampling import Sampler
from trainers.settings import Lengths, Repeats, Sampling

K, LENGTH = 3, 20
GENOME = corpus_of(random_letters(400, seed=1), random_letters(90, seed=2) + "NNNN" + random_letters(70, seed=3))


def sampler(corpus: Corpus = GENOME, repeats: Repeats = "keep", length: int = LENGTH, **sampling: object) -> Sampler:
    return Sampler(corpus, corpus.known, K, length, Sampling(**sampling), repeats)


def letters_of(found: Sampler, seed: int, numbers: range) -> list[str]:
    samples = found.sample(seed, torch.arange(numbers.start, numbers.stop))
    rows = [bases.decode(row) for row in samples.bases_BL.numpy()]
    if samples.tokens is None:
        return rows
    widths = samples.tokens + K - 1
    assert all(set(row[width:]) <= {"N"} for row, width in zip(rows, widths, strict=True))
    return [row[:width] for row, width in zip(rows, widths, strict=True)]


@pytest.mark.parametrize("lengths", ["fixed", "mixed", "tiled"])
@pytest.mark.parametrize("turned", [False, True])
@given(seed=st.integers(0, 5), first=st.integers(0, 300))
def test_a_sample_is_a_function_of_seed_and_number(lengths: Lengths, turned: bool, seed: int, first: int):
    found = sampler(lengths=lengths, reverse_complement=turned)
    together = letters_of(found, seed, range(first, first + 20))
    one_by_one = [letters_of(found, seed, range(number, number + 1))[0] for number in range(first, first + 20)]
    assert together == one_by_one
    again = sampler(lengths=lengths, reverse_complement=turned)
    assert letters_of(again, seed, range(first, first + 20)) == together
    assert letters_of(found, seed + 1, range(first, first + 20)) != together
    flat = GENOME.letters(0, GENOME.length).decode()
    for letters in together:
        assert "N" not in letters
        assert letters in flat or (turned and reverse_complement(letters) in flat)


def test_half_of_mixed_samples_are_whole_and_the_rest_uniform():
    found = sampler(lengths="mixed", shortest=5)
    tokens = np.concatenate([found.sample(3, torch.arange(at, at + 500)).tokens for at in range(0, 8000, 500)])
    counts = Counter(tokens.tolist())
    assert set(counts) == set(range(5, LENGTH + 1))
    assert counts[LENGTH] / 8000 == pytest.approx(0.5 + 0.5 / 16, abs=0.02)
    for length in range(5, LENGTH):
        assert counts[length] / 8000 == pytest.approx(0.5 / 16, abs=0.01)


def test_short_samples_reach_every_base_of_the_ends():
    """Windows of each width are uniform over all places of that width, so ends of stretches are not left out."""
    corpus = corpus_of(random_letters(30, seed=5))
    found = Sampler(corpus, corpus.known, K, LENGTH, Sampling("mixed", 5), "keep")
    last = corpus.letters(24, 30).decode()
    assert any(letters.endswith(last) and len(letters) < 22 for letters in letters_of(found, 0, range(2000)))


def test_every_second_sample_is_turned():
    plain, turned = sampler(), sampler(reverse_complement=True)
    pairs = list(zip(letters_of(plain, 0, range(2000)), letters_of(turned, 0, range(2000)), strict=True))
    changed = [one != other for one, other in pairs]
    assert sum(changed) / 2000 == pytest.approx(0.5, abs=0.05)
    assert all(other in (one, reverse_complement(one)) for one, other in pairs)


def test_tiles_cover_each_stretch_once_an_epoch_and_move_between_epochs():
    corpus = corpus_of(random_letters(100, seed=4), random_letters(21, seed=5), random_letters(50, seed=6))
    found = Sampler(corpus, corpus.known, K, LENGTH, Sampling("tiled"), "keep")  # windows of 22: 4 + 0 + 2 tiles
    flat = corpus.letters(0, corpus.length).decode()
    epochs = [[flat.index(row) for row in letters_of(found, 1, range(6 * e, 6 * e + 6))] for e in range(8)]
    for starts in epochs:
        assert [start < 100 for start in sorted(starts)] == [True] * 4 + [False] * 2
        own = sorted(starts)
        assert np.diff(own[:4]).tolist() == [22] * 3
        assert own[5] - own[4] == 22
    assert len({tuple(starts) for starts in epochs}) == 8
    assert letters_of(found, 1, range(4, 9)) == letters_of(found, 1, range(0, 12))[4:9]  # over the edge of an epoch


def test_repeats_are_left_out_or_halved():
    plain, masked = random_letters(600, seed=7), random_letters(600, seed=8).lower()
    corpus = corpus_of(plain + masked)
    inside = {}
    for repeats in ("keep", "exclude", "downweight"):
        rows = letters_of(sampler(corpus, repeats), 0, range(3000))
        inside[repeats] = sum(row in masked.upper() for row in rows) / 3000
        assert all(row in (plain + masked).upper() for row in rows)
    assert inside["exclude"] == 0
    assert inside["keep"] == pytest.approx(0.49, abs=0.04)
    assert inside["downweight"] == pytest.approx(inside["keep"] / 2, abs=0.04)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: sampler(lengths="some"), "sample lengths must be fixed, mixed, tiled, but got `some`"),
        (lambda: sampler(shortest=0), "the shortest sample must have at least 1 token, but got 0"),
        (
            lambda: sampler(lengths="mixed", shortest=21),
            r"shortest <= length must hold, but got \(shortest=21, length=20\)",
        ),
        (lambda: sampler(repeats="downweight", lengths="tiled"), "tiled samples cover every base once and cannot be"),
        (lambda: sampler(length=500), "a training window of 502 bases must fit"),
        (lambda: sampler(corpus_of("a" * 60 + "ACGT"), "exclude"), "a training window of 22 bases must fit"),
        (lambda: sampler(corpus_of("a" * 60), "downweight"), "a repeat-free training window of 22 bases must fit"),
    ],
)
def test_what_cannot_be_sampled_is_refused(build, message):
    with pytest.raises(InputError, match=message):
        build()
