"""Counts of n-grams against words counted in a dictionary."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curricula import InputError
from tests.dna import corpus_of, random_letters, with_gaps
from tests.words import counted, reverse_complement, words
from trainers.masking.ngrams import count_ngrams, reverse_complements

little_genomes = st.lists(with_gaps, min_size=1, max_size=4)


def as_words(k: int, counts: list[np.ndarray]) -> list[dict[str, int]]:
    """What was found, for n = 1..k, as words (letters in the vocabulary's order)."""
    found = []
    for n, of_n in zip(range(1, k + 1), counts, strict=True):
        assert of_n.shape == (4**n,)
        letters = itertools.product("ATCG", repeat=n)
        found.append({"".join(word): count for word, count in zip(letters, of_n.tolist(), strict=True) if count})
    return found


def test_codes_follow_the_vocabulary():
    assert words(3) == ["".join(word) for word in itertools.product("ATCG", repeat=3)]


@given(little_genomes, st.integers(1, 6), st.integers(1, 200))
def test_ngrams_are_counted_inside_runs_only_whatever_the_chunk(contigs, k, chunk):
    assume(set("".join(contigs)) != {"N"})
    found = as_words(k, count_ngrams(corpus_of(*contigs), k, chunk=chunk))
    assert found == [counted(contigs, n) for n in range(1, k + 1)]


@given(little_genomes, st.integers(1, 5))
def test_both_strands_are_the_words_of_the_dna_and_of_its_reverse_complement(contigs, k):
    assume(set("".join(contigs)) != {"N"})
    found = as_words(k, count_ngrams(corpus_of(*contigs), k, "both"))
    backward = [reverse_complement(letters) for letters in contigs]
    assert found == [counted([*contigs, *backward], n) for n in range(1, k + 1)]


def test_a_palindrome_counts_twice_on_both_strands():
    assert as_words(4, count_ngrams(corpus_of("ACGT"), 4, "both"))[3] == {"ACGT": 2}
    assert as_words(4, count_ngrams(corpus_of("ACGA"), 4, "both"))[3] == {"ACGA": 1, "TCGT": 1}


@pytest.mark.parametrize("n", [1, 2, 5])
def test_reverse_complements_by_letters(n):
    assert [words(n)[code] for code in reverse_complements(4**n)] == list(map(reverse_complement, words(n)))


@pytest.mark.parametrize("k", [7, 8, 9, 10])
def test_long_words_are_counted_too(k):
    contigs = [random_letters(3000, seed=k) + "NN" + random_letters(k, seed=1), random_letters(k - 1), "ACGT" * 40]
    expected = [counted(contigs, n) for n in range(1, k + 1)]
    assert as_words(k, count_ngrams(corpus_of(*contigs), k)) == expected
    assert as_words(k, count_ngrams(corpus_of(*contigs), k, chunk=128)) == expected


@pytest.mark.parametrize("chunk", [1 << 12, 1 << 16, 1 << 22])
def test_counts_of_a_genome_do_not_depend_on_the_chunk(genome, chunk):
    for found, expected in zip(count_ngrams(genome, 6, chunk=chunk), count_ngrams(genome, 6), strict=True):
        assert np.array_equal(found, expected)


def test_memory_is_bounded_by_the_chunk():
    peaks = []
    for length in (400_000, 4_000_000):
        corpus = corpus_of(random_letters(length // 100) * 100)
        tracemalloc.start()
        count_ngrams(corpus, 6)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] < 4_000_000


@pytest.mark.parametrize("k", [0, 11])
def test_another_k_is_refused(k):
    with pytest.raises(InputError, match=rf"n-grams can be counted for k in 1\.\.10, but got k={k}"):
        count_ngrams(corpus_of("ACGTACGTACGT"), k)
