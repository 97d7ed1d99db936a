"""Masks on real DNA: what they depend on, what they hide on average, and the rules spelt out token by token."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from curricula import InputError, Masking, Strategy
from tests.dna import difficulty_by_hand, ids_of, random_letters
from trainers.genome.split import Split
from trainers.genome.windows import Windows
from trainers.masking.masker import Masker
from trainers.masking.rates import calibration_rows
from trainers.masking.spans import dilate, reach
from trainers.rng import Stream, uniforms
from trainers.settings import Budget
from trainers.tokens.kmers import MASK, PAD, KmerTokenizer

EVERY = [
    Masking(Strategy.RANDOM, rate=0.15),
    Masking(Strategy.RANDOM, rate=0.3, span=6),
    Masking(Strategy.PMI_THRESHOLD, rate=0.15, span=6, min_quantile=0.5),
    Masking(Strategy.GLOBAL, rate=0.15, span=6),
    Masking(Strategy.GENEMASK, rate=0.3),
    Masking(Strategy.GLOBAL, rate=0.15, span=6, placebo=1),
    Masking(Strategy.PMI_THRESHOLD, rate=0.15, min_quantile=0.8, placebo=2),
]
RELEASED = [Masking(Strategy.GENEMASK_AS_RELEASED, rate=0.15), Masking(Strategy.GLOBAL_AS_RELEASED, rate=0.15, span=6)]
every_masking = pytest.mark.parametrize("masking", EVERY, ids=lambda m: f"{m.strategy}-{m.span}-{m.placebo}")
every_masking_and_the_released = pytest.mark.parametrize(
    "masking", EVERY + RELEASED, ids=lambda m: f"{m.strategy}-{m.span}-{m.placebo}"
)
every_budget = pytest.mark.parametrize("budget", Budget)


@pytest.fixture(scope="module")
def rows(genome):
    """Give k-mer ids of so many windows of the embedded genome; another seed gives others."""
    training, _ = Split(20_000, 0.1, 0).intervals(genome)

    def of(count: int, length: int, seed: int = 1) -> torch.Tensor:
        windows = Windows(genome, training, length + 5, "training")
        return KmerTokenizer(6).ids(windows.sample(seed, torch.arange(count)))

    return of


@pytest.fixture(scope="module")
def maskers(rows, difficulty_6):
    return {budget: Masker(difficulty_6, budget, 7, rows(128, 510, seed=0)) for budget in Budget}


def by_the_rules(masker_k: int, rank: list[int], masking: Masking, small: list[bool]) -> list[bool]:
    """The rules of the papers, one token after another: which tokens are masked, if these are drawn."""
    length = len(rank)

    def around(at: int, width: int) -> range:
        left, right = reach(width)
        return range(max(0, at - left), min(length, at + right + 1))

    best = sorted(range(length), key=lambda at: (rank[at], at))
    centres = [at for at in range(length) if small[at]]
    width = masker_k + masking.span - 1
    spans = [around(at, width) for at in centres]
    if masking.strategy is Strategy.GLOBAL:
        spans = [around(at, width) for at in best[: len(centres)]]
    if masking.strategy is Strategy.GENEMASK:
        in_reach = {at: min(around(at, masker_k), key=lambda other: (rank[other], other)) for at in centres}
        order = sorted(centres, key=lambda at: (rank[in_reach[at]], in_reach[at], at))
        half = math.ceil(len(order) / 2)
        spans = [around(in_reach[at], 2 * masker_k - 1) for at in order[:half]]
        spans += [around(at, masker_k) for at in order[half:]]
    hidden = set().union(*map(set, spans))
    return [at in hidden for at in range(length)]


@given(
    st.sampled_from([Strategy.RANDOM, Strategy.GLOBAL, Strategy.GENEMASK]),
    st.sampled_from([2, 3, 6]),
    st.integers(1, 6),
    st.text("ACGT", min_size=20, max_size=60),
    st.sampled_from([0.15, 0.5, 0.9]),
    st.integers(0, 1000),
)
def test_masks_follow_the_rules_token_by_token(strategy, k, span, letters, rate, sample):
    ids_BT = ids_of(k, letters)
    table = difficulty_by_hand(k, *(letters[at : at + k] for at in range(0, len(letters) - k, 3)))
    masking = Masking(strategy, rate=rate, span=span)
    p = rate / ((3 * k - 1) / 2 if strategy is Strategy.GENEMASK else k + span - 1)
    u_BT = uniforms(0, Stream.MASK, torch.tensor([sample]), ids_BT.shape[1])
    found = Masker(table, Budget.PAPER, 0, ids_BT).choose(ids_BT, masking, u_BT)
    rank = [int(table.rank[kmer_id - 5]) for kmer_id in ids_BT[0].tolist()]
    assert found[0].tolist() == by_the_rules(k, rank, masking, [u < p for u in u_BT[0].tolist()])


@every_budget
@every_masking
def test_a_rows_mask_depends_neither_on_its_companions_nor_on_its_place(masking, budget, maskers, rows):
    masker, ids_BT, samples_B = maskers[budget], rows(48, 64), torch.arange(100, 148)
    whole = masker(ids_BT, masking, samples_B)
    assert whole.mask_BT.any()
    again = masker(ids_BT, masking, samples_B)
    assert torch.equal(again.inputs_BT, whole.inputs_BT)
    for workers in (2, 4, 48):
        shares = zip(ids_BT.chunk(workers), samples_B.chunk(workers), strict=True)
        parts = [masker(ids_of_share, masking, samples_of_share) for ids_of_share, samples_of_share in shares]
        assert torch.equal(torch.cat([part.mask_BT for part in parts]), whole.mask_BT)
        assert torch.equal(torch.cat([part.inputs_BT for part in parts]), whole.inputs_BT)
    order = torch.randperm(48, generator=torch.Generator().manual_seed(0))
    shuffled = masker(ids_BT[order], masking, samples_B[order])
    assert torch.equal(shuffled.mask_BT, whole.mask_BT[order])
    assert torch.equal(shuffled.inputs_BT, whole.inputs_BT[order])


@every_budget
@every_masking_and_the_released
def test_padding_is_never_masked_and_changes_nothing_before_it(masking, budget, maskers, rows):
    masker, ids_BT, samples_B = maskers[budget], rows(24, 96), torch.arange(300, 324)
    lengths = np.linspace(11, 96, 24).astype(np.int64)
    inside_BT = torch.arange(96) < torch.from_numpy(lengths)[:, None]
    padded = masker(torch.where(inside_BT, ids_BT, PAD), masking, samples_B, lengths)
    assert padded.mask_BT.any()
    assert not padded.mask_BT[~inside_BT].any()
    assert (padded.inputs_BT[~inside_BT] == PAD).all()
    for row, length in enumerate(lengths):
        alone = masker(ids_BT[row : row + 1, :length], masking, samples_B[row : row + 1])
        assert torch.equal(padded.mask_BT[row, :length], alone.mask_BT[0])
        assert torch.equal(padded.inputs_BT[row, :length], alone.inputs_BT[0])


@every_budget
@every_masking_and_the_released
def test_nothing_waits_for_the_numbers_of_a_tensor(masking, budget, maskers, rows):
    """On a GPU, looking at a number stops everything until it is there; a fake tensor has none to look at."""
    masker, lengths = maskers[budget], np.linspace(11, 64, 4).astype(np.int64)
    masker(rows(4, 64), masking, torch.arange(4))  # centre probabilities are solved once, on the CPU
    masker(rows(4, 64), masking, torch.arange(4), lengths)
    with FakeTensorMode(allow_non_fake_inputs=True):
        fake_BT, samples_B = torch.zeros(4, 64, dtype=torch.int64), torch.arange(4)
        assert masker(fake_BT, masking, samples_B).mask_BT.shape == (4, 64)
        assert masker(fake_BT, masking, samples_B, lengths).mask_BT.shape == (4, 64)
        with pytest.raises(DataDependentOutputException):
            bool(fake_BT.any())  # so this test can fail


@every_masking
def test_other_samples_and_other_seeds_get_other_masks(masking, maskers, rows, difficulty_6):
    ids_BT, samples_B = rows(48, 64), torch.arange(48)
    mask_BT = maskers[Budget.MATCHED](ids_BT, masking, samples_B).mask_BT
    other_seed = Masker(difficulty_6, Budget.MATCHED, 8, rows(128, 64, seed=0))
    assert not torch.equal(maskers[Budget.MATCHED](ids_BT, masking, samples_B + 48).mask_BT, mask_BT)
    assert not torch.equal(other_seed(ids_BT, masking, samples_B).mask_BT, mask_BT)


@every_budget
@pytest.mark.parametrize("strategy", [Strategy.GLOBAL, Strategy.GENEMASK])
def test_other_dna_gets_other_masks_under_the_same_random_numbers(strategy, budget, maskers, rows):
    # The public code ranks positions instead of k-mers: there, every batch of one seed has the same masks.
    masking, samples_B = Masking(strategy, rate=0.15, span=6), torch.arange(256)
    one, other = (maskers[budget](rows(256, 64, seed=seed), masking, samples_B).mask_BT for seed in (1, 2))
    drawn = one.any(dim=1) & other.any(dim=1)
    assert int(drawn.sum()) > 100
    assert float((one[drawn] != other[drawn]).any(dim=1).double().mean()) > 0.7


@every_budget
@every_masking
def test_every_position_of_a_long_row_is_masked_now_and_then(masking, budget, maskers, rows):
    # In the public code `global` never masks 384 of 510 positions.
    masks_BT = maskers[budget](rows(512, 510, seed=3), masking, torch.arange(512)).mask_BT
    assert masks_BT.any(dim=0).all()


@pytest.fixture(scope="module")
def spread(genome):
    training, _ = Split(20_000, 0.1, 0).intervals(genome)
    return Windows(genome, training, 515, "training")


@pytest.fixture(scope="module")
def matched(spread, difficulty_6):
    return Masker(difficulty_6, Budget.MATCHED, 3, calibration_rows(spread, 6))


MATCHED = [
    *(
        Masking(strategy, rate)
        for strategy in (Strategy.GENEMASK, Strategy.GENEMASK_AS_RELEASED)
        for rate in (0.15, 0.3)
    ),
    *(
        Masking(strategy, rate, span, quantile)
        for strategy, quantile in ((Strategy.RANDOM, 0.0), (Strategy.PMI_THRESHOLD, 0.5), (Strategy.PMI_THRESHOLD, 0.8))
        for span in (1, 6)
        for rate in (0.15, 0.3)
    ),
    *(
        Masking(strategy, rate, 6)
        for strategy in (Strategy.GLOBAL, Strategy.GLOBAL_AS_RELEASED)
        for rate in (0.05, 0.3)
    ),
    Masking(Strategy.GLOBAL, 0.15, 12, placebo=1),
    Masking(Strategy.PMI_THRESHOLD, 0.15, 6, 0.755, placebo=1),
]


@pytest.mark.parametrize("length", [64, 100, 510])
def test_matched_budgets_hide_what_was_asked_for(length, spread, matched):
    count = 600_000 // length
    ids_BT, samples_B = KmerTokenizer(6).ids(spread.spread(count, phase=0.1))[:, :length], torch.arange(count)
    missed = {one: float(matched(ids_BT, one, samples_B).mask_BT.double().mean()) - one.rate for one in MATCHED}
    assert {one: off for one, off in missed.items() if abs(off) >= 0.005} == {}


def test_a_rate_that_the_threshold_does_not_allow_is_approached_as_far_as_it_goes(rows, matched, difficulty_6):
    ids_BT, masking = rows(200, 64), Masking(Strategy.PMI_THRESHOLD, 0.9, min_quantile=0.9)
    eligible_BT = torch.from_numpy(difficulty_6.quantile)[ids_BT - 5] >= 0.9
    assert torch.equal(matched(ids_BT, masking, torch.arange(200)).mask_BT, dilate(eligible_BT, 6))


def test_four_fifths_become_mask_a_tenth_another_kmer_and_a_tenth_stay(maskers, rows):
    ids_BT = rows(2048, 128)
    masked = maskers[Budget.MATCHED](ids_BT, Masking(Strategy.RANDOM, rate=0.15), torch.arange(2048))
    assert torch.equal(masked.inputs_BT[~masked.mask_BT], ids_BT[~masked.mask_BT])
    before, after = ids_BT[masked.mask_BT], masked.inputs_BT[masked.mask_BT]
    replaced = after[(after != MASK) & (after != before)]
    assert float((after == MASK).double().mean()) == pytest.approx(0.8, abs=0.01)
    assert float((after == before).double().mean()) == pytest.approx(0.1, abs=0.01)
    assert len(replaced) / len(after) == pytest.approx(0.1, abs=0.01)
    assert int(replaced.min()) >= 5
    assert int(replaced.max()) < 5 + 4**6
    assert len(replaced.unique()) > 2000  # of 4,096: every k-mer may come


def test_replacements_are_even_over_the_kmers():
    ids_BT = ids_of(1, random_letters(4000))
    masker = Masker(difficulty_by_hand(1), Budget.PAPER, 0, ids_BT)
    masked = masker(ids_BT.expand(20, -1), Masking(Strategy.RANDOM, rate=0.9), torch.arange(20))
    replaced = masked.inputs_BT[(masked.inputs_BT != MASK) & (masked.inputs_BT != ids_BT)]
    shares = torch.bincount(replaced, minlength=9)[5:] / len(replaced)
    assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.03)


def test_calibration_rows_must_be_as_long_as_the_rows(rows, difficulty_6):
    masker = Masker(difficulty_6, Budget.MATCHED, 3, rows(8, 40))
    with pytest.raises(InputError, match="calibration rows must be as long as the rows to mask, but have 40"):
        masker(rows(2, 64), Masking(Strategy.GENEMASK, rate=0.3), torch.arange(2))
