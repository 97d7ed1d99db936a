"""NPMI against words counted in a dictionary and every segmentation written out."""

import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from curricula import InputError
from tests.dna import corpus_of, random_letters
from tests.words import counted, reverse_complement, words
from trainers.masking.difficulty import Difficulty, npmi
from trainers.masking.ngrams import count_ngrams, reverse_complements
from trainers.settings import NpmiFormula

LONGEST_PART = {"all": 8, "pairs": 2, "naive": 1}


def tables_of(contigs: list[str], k: int) -> dict[int, Counter]:
    return {n: counted(contigs, n) for n in range(1, k + 1)}


def segmentations(word: str, longest: int) -> list[list[str]]:
    if not word:
        return [[]]
    return [
        [word[:n], *rest] for n in range(1, min(longest, len(word)) + 1) for rest in segmentations(word[n:], longest)
    ]


def npmi_by_hand(tables: dict[int, Counter], k: int, parts: str, minimum_count: int) -> list[float]:
    totals = {n: table.total() for n, table in tables.items()}

    def p(word: str) -> float:
        return tables[len(word)][word] / totals[len(word)]

    values = []
    for word in words(k):
        f = tables[k][word]
        if not f:
            values.append(-math.inf)
            continue
        cuts = [cut for cut in segmentations(word, LONGEST_PART[parts]) if len(cut) >= 2]
        pmi = min(math.log(p(word) / math.prod(map(p, cut))) for cut in cuts)
        values.append(pmi * math.log(f) / (math.log(minimum_count) + math.log(f)))
    return values


@pytest.mark.parametrize("parts", ["all", "pairs", "naive"])
@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_npmi_is_the_published_formula(k, parts):
    contigs = [random_letters(300, seed=k) + "N" + "ACGTACGTTT" * 8, "AAAAAAAAAAAACC"]
    values = npmi(count_ngrams(corpus_of(*contigs), k), parts, minimum_count=4)
    np.testing.assert_allclose(values, npmi_by_hand(tables_of(contigs, k), k, parts, 4), rtol=0, atol=1e-9)


@pytest.fixture(scope="module")
def words_of_the_genome(genome) -> dict[str, dict[int, Counter]]:
    """Words of 1 to 6 letters of the embedded genome, counted as strings."""
    letters = genome.letters(0, genome.length).decode()
    forward = tables_of([letters], 6)
    backward = tables_of([reverse_complement(letters)], 6)
    return {"forward": forward, "both": {n: forward[n] + backward[n] for n in forward}}


@pytest.mark.parametrize("strands", ["forward", "both"])
@pytest.mark.parametrize("parts", ["all", "pairs", "naive"])
@pytest.mark.parametrize("k", [2, 3, 4, 5, 6])
def test_npmi_of_the_embedded_genome_is_the_published_formula(genome, words_of_the_genome, k, parts, strands):
    tables = words_of_the_genome[strands]
    found = Difficulty.of(genome, k, NpmiFormula(parts, strands))
    assert found.counts.tolist() == [tables[k][word] for word in words(k)]
    np.testing.assert_allclose(found.npmi, npmi_by_hand(tables, k, parts, 101), rtol=0, atol=1e-9)


@pytest.mark.parametrize("parts", ["all", "pairs", "naive"])
def test_on_both_strands_a_kmer_is_as_difficult_as_its_reverse_complement(genome, parts):
    both = Difficulty.of(genome, 6, NpmiFormula(parts, "both"))
    mirror = reverse_complements(4**6)
    assert both.counts.tolist() == both.counts[mirror].tolist()
    np.testing.assert_allclose(both.npmi, both.npmi[mirror], rtol=0, atol=1e-12)
    by_rank = np.argsort(both.rank)
    for one, other in zip(both.rank, both.rank[mirror], strict=True):  # only ties stand between the two
        between = both.npmi[by_rank[min(one, other) : max(one, other) + 1]]
        assert between.max() - between.min() <= 1e-12 or (both.counts[by_rank[one]] == 0)
    forward = Difficulty.of(genome, 6, NpmiFormula(parts))
    assert not np.allclose(forward.npmi, forward.npmi[mirror], rtol=0, atol=1e-3)


def test_npmi_by_hand():
    # ACACAC: 3 of 6 letters are A, 3 C; AC 3 of 5 pairs, CA 2 of 5
    values = dict(zip(words(2), npmi(count_ngrams(corpus_of("ACACAC"), 2), "all", 101), strict=True))
    f = math.log(3)
    assert values["AC"] == pytest.approx(math.log(0.6 / 0.25) * f / (math.log(101) + f), abs=1e-12)
    assert values["AA"] == -math.inf


def test_ranks_put_the_highest_npmi_first_and_rare_words_last_however_high_theirs():
    table = Difficulty.of(corpus_of("ACACAC" * 10, "TTTTTTTT", *["GT"] * 4), 2, NpmiFormula(minimum_count=5))
    order = [word for _, word in sorted(zip(table.rank.tolist(), words(2), strict=True))]
    value = dict(zip(words(2), table.npmi.tolist(), strict=True))
    assert {word for word, count in zip(words(2), table.counts, strict=True) if count >= 5} == {"AC", "CA", "TT"}
    assert order[:3] == sorted(["AC", "CA", "TT"], key=lambda word: -value[word])
    assert order[3] == "GT"  # 4 times, less than 5
    assert value["GT"] > value[order[2]]
    assert order[4:] == [word for word in words(2) if word in order[4:]]  # none occurs: the vocabulary's order


def test_rank_is_a_permutation_that_follows_npmi(genome):
    table = Difficulty.of(genome, 4)
    assert sorted(table.rank.tolist()) == list(range(256))
    frequent = table.counts >= 101
    assert table.rank[frequent].max() == frequent.sum() - 1
    by_rank = table.npmi[np.argsort(table.rank)][: frequent.sum()]
    assert (np.diff(by_rank) <= 0).all()


def test_equal_npmi_ranks_by_vocabulary_order():
    table = Difficulty.of(corpus_of("A", "C"), 1, NpmiFormula(minimum_count=2))  # k = 1 has no segmentation
    assert table.rank.tolist() == [0, 2, 1, 3]  # A and C occur equally often, T and G never


def assert_quantiles_are_shares_of_tokens_with_a_worse_rank(table: Difficulty) -> None:
    total = table.counts.sum()
    for word in range(len(table.rank)):
        worse = int(table.counts[table.rank > table.rank[word]].sum())
        assert table.quantile[word] == pytest.approx(worse / total, abs=1e-12)
    assert table.quantile.min() == 0.0
    assert table.quantile.max() < 1.0


@pytest.mark.parametrize("k", [2, 3])
def test_the_quantile_is_the_share_of_tokens_with_a_worse_rank(k):
    corpus = corpus_of(random_letters(400, seed=9))
    assert_quantiles_are_shares_of_tokens_with_a_worse_rank(Difficulty.of(corpus, k, NpmiFormula(minimum_count=3)))


@pytest.fixture(scope="module")
def table_with_rare_words() -> Difficulty:
    """256 4-mers: some occur 5 times or more, some less often, some never."""
    corpus = corpus_of(random_letters(900, seed=4).replace("ACG", "ATG"))
    table = Difficulty.of(corpus, 4, NpmiFormula(minimum_count=5))
    assert len(np.unique(table.npmi[table.counts >= 5])) > 30
    assert ((table.counts > 0) & (table.counts < 5)).sum() > 30
    assert (table.counts == 0).sum() > 5
    return table


def test_a_placebo_deals_the_same_values_out_anew(table_with_rare_words):
    true = table_with_rare_words
    placebo = true.shuffled(1)
    assert placebo.counts.tolist() == true.counts.tolist()
    for group in (true.counts >= 5, (true.counts > 0) & (true.counts < 5), true.counts == 0):
        assert sorted(placebo.npmi[group]) == sorted(true.npmi[group])
        assert sorted(placebo.rank[group]) == sorted(true.rank[group])
    frequent = true.counts >= 5
    assert (np.diff(placebo.npmi[np.argsort(placebo.rank)][: frequent.sum()]) <= 0).all()
    assert_quantiles_are_shares_of_tokens_with_a_worse_rank(placebo)
    assert placebo.card == {**true.card, "shuffled_seed": 1}


def test_a_placebo_tells_nothing_about_the_kmer(difficulty_6):
    frequent = difficulty_6.counts >= 101
    placebos = [difficulty_6.shuffled(seed) for seed in range(1, 9)]
    for placebo in placebos:
        for known in (difficulty_6.rank, difficulty_6.counts, np.arange(4**6)):
            correlation = stats.spearmanr(placebo.rank[frequent], known[frequent]).statistic
            assert abs(correlation) < 5 / math.sqrt(frequent.sum())
    assert len({placebo.rank.tobytes() for placebo in placebos}) == 8
    assert placebos[2].rank.tolist() == difficulty_6.shuffled(3).rank.tolist()


def test_a_placebo_of_a_placebo_or_without_a_seed_is_refused(table_with_rare_words):
    with pytest.raises(InputError, match="the seed of a shuffled NPMI table must be at least 1, but got 0"):
        table_with_rare_words.shuffled(0)
    with pytest.raises(InputError, match="can be shuffled once, but this one was shuffled by seed 7"):
        table_with_rare_words.shuffled(7).shuffled(8)


def test_guessing_by_frequency_costs_the_cross_entropy_of_the_smoothed_counts():
    table = Difficulty.of(corpus_of("AAAT"), 1)  # 3 A, 1 T; with one more of each: 4, 2, 1, 1 of 8
    assert table.unigram_loss(np.array([0])) == pytest.approx(math.log(8 / 4))
    assert table.unigram_loss(np.array([0, 1, 2, 3])) == pytest.approx(
        (math.log(2) + math.log(4) + 2 * math.log(8)) / 4
    )


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ({"minimum_count": 1}, "the minimum count of NPMI must be at least 2, but got 1"),
        ({"parts": "pair"}, "NPMI `parts` must be one of all, pairs, naive, but got `pair`"),
        ({"strands": "reverse"}, "NPMI `strands` must be one of forward, both, but got `reverse`"),
    ],
)
def test_a_formula_that_does_not_exist_is_refused(formula, message):
    with pytest.raises(InputError, match=message):
        NpmiFormula(**formula)


@pytest.mark.parametrize("k", [0, 9])
def test_ranks_for_another_k_are_refused(k):
    with pytest.raises(InputError, match=rf"k-mers can be ranked for k in 1\.\.8, but got k={k}"):
        Difficulty.of(corpus_of("ACGTACGTACGT"), k)


def test_a_corpus_without_a_kmer_is_refused():
    with pytest.raises(InputError, match=r"must hold k-mers of k=6, but .* has none"):
        Difficulty.of(corpus_of("ACG"), 6)
