"""Masks worked out by hand: which tokens a strategy hides, given which random numbers are small."""

import numpy as np
import pytest
import torch

from curricula import InputError, Masking, Strategy
from tests.dna import difficulty_by_hand, ids_of, random_letters
from trainers.masking.masker import Masker
from trainers.settings import Budget

# Ten bases of the first row:    token 5 is ACG, token 14 is GCA, runs of T lie between.
ROW_3 = "TTTTTACGTTTTTTGCATTT"
BEST_3 = ("ACG", "GCA", "TTT", "CAT", "ATT", "TAC", "CGT", "GTT", "TTA", "TTG", "TGC")
# Token 10 is ACGTAC; by vocabulary order then token 14 (ACTTTT) and token 9 (TACGTA) rank next in this row.
ROW_6 = "TTTTTTTTTTACGTACTTTTTTTTT"
BEST_6 = ("ACGTAC",)


def masker_of(k: int, *best_first: str, budget: Budget = Budget.PAPER) -> Masker:
    return Masker(difficulty_by_hand(k, *best_first), budget, 0, ids_of(k, random_letters(200)))


def small_where(centres: str) -> torch.Tensor:
    """Random numbers that fall below any probability at C and above any elsewhere."""
    return torch.tensor([[0.0 if letter == "C" else 0.9999 for letter in centres]])


def drawn(mask_BT: torch.Tensor) -> str:
    return "".join(".M"[int(token)] for token in mask_BT[0])


def check(k: int, row: str, best: tuple[str, ...], masking: Masking, centres: str, mask: str) -> None:
    found = masker_of(k, *best).choose(ids_of(k, row), masking, small_where(centres))
    assert f"{row}\n{centres}\n{drawn(found)}" == f"{row}\n{centres}\n{mask}"


@pytest.mark.parametrize(
    ("span", "centres", "mask"),
    [
        (1, "....C............C", "...MMM..........MM"),
        (2, "....C............C", "...MMMM.........MM"),
        (3, "....C............C", "..MMMMM........MMM"),
        (1, "C.C...............", "MMMM.............."),
        (1, "CCCCCCCCCCCCCCCCCC", "MMMMMMMMMMMMMMMMMM"),
        (6, "..................", ".................."),
    ],
)
def test_random_hides_a_span_around_every_centre(span, centres, mask):
    check(3, ROW_3, BEST_3, Masking(Strategy.RANDOM, rate=0.15, span=span), centres, mask)


@pytest.mark.parametrize(
    ("best_kmers", "span", "centres", "mask"),
    [
        (1, 1, "CCCCCCCCCCCCCCCCCC", "....MMM..........."),
        (2, 1, "CCCCCCCCCCCCCCCCCC", "....MMM......MMM.."),
        (2, 3, "CCCCCCCCCCCCCCCCCC", "...MMMMM....MMMMM."),
        (2, 1, "..............C...", ".............MMM.."),
        (2, 1, "CCCCC.CCCCCCCC.CCC", ".................."),
        (3, 1, "C........C........", "MM......MMM......."),
        (64, 1, "....C............C", "...MMM..........MM"),
    ],
)
def test_pmi_threshold_takes_centres_only_among_the_best_kmers(best_kmers, span, centres, mask):
    quantile = 1 - best_kmers / 64  # of 64 3-mers, these lie at or above it
    check(3, ROW_3, BEST_3, Masking(Strategy.PMI_THRESHOLD, 0.15, span, min_quantile=quantile), centres, mask)


@pytest.mark.parametrize(
    ("span", "centres", "mask"),
    [
        (1, ".................C", "....MMM..........."),  # one centre, wherever it was drawn: the best token, ACG
        (1, "C................C", "....MMM......MMM.."),  # two: ACG and GCA
        (1, "CCC...............", "MM..MMM......MMM.."),  # three: and the leftmost TTT
        (1, "CCCC..............", "MMM.MMM......MMM.."),  # four: and the next TTT
        (3, "CC................", "...MMMMM....MMMMM."),
        (1, "..................", ".................."),
    ],
)
def test_global_hides_the_best_tokens_of_the_row(span, centres, mask):
    check(3, ROW_3, BEST_3, Masking(Strategy.GLOBAL, rate=0.15, span=span), centres, mask)


@pytest.mark.parametrize(
    ("centres", "mask"),
    [
        ("....C.............", "...MMMMM.........."),  # alone it is the best half: 5 tokens around ACG
        ("................C.", "...............MMM"),  # the best in reach is TTT, the last token
        ("....C...........C.", "...MMMMM.......MMM"),  # ACG wide; the other centre hides its own 3 tokens
        ("....C........C..C.", "...MMMMM....MMMMMM"),  # of three the best two are wide
        (".........C...C....", "........MMM.MMMMM."),  # sorted before the half is taken: the right one is better
        ("....C.C...........", "...MMMMM.........."),  # both find ACG: the left is wide, the right hides 5..7
        ("C.................", "MMM..............."),  # TTT at 0: three of five tokens exist
        ("..................", ".................."),
    ],
)
def test_genemask_hides_a_kmer_at_the_best_centres_and_one_base_at_the_others(centres, mask):
    check(3, ROW_3, BEST_3, Masking(Strategy.GENEMASK, rate=0.15), centres, mask)


# The vocabulary's first 3-mers are AAA, AAT, AAC, AAG, ATA ...; the token at position 0 of a row is place 1 of the
# model's input, behind [CLS]. Ids below 5 are special tokens, so positions 0..3 rank last; position 4 is taken for AAA
# (id 5), 5 for AAT, 6 for AAC and so on, whatever the DNA says.
BEST_PLACES = ("AAC", "ATT", "AAA")  # positions 6, 9 and 4


@pytest.mark.parametrize("row", [ROW_3, "ACGCATGCAACGCATGCAAC"])
@pytest.mark.parametrize(
    ("strategy", "centres", "mask"),
    [
        ("global_as_released", "C.................", ".....MMM.........."),  # the best place is 6
        ("global_as_released", "CC................", ".....MMMMMM......."),  # 6 and 9
        ("global_as_released", "CCC...............", "...MMMMMMMM......."),  # 6, 9 and 4
        ("genemask_as_released", ".....C............", "....MMMMM........."),  # in reach of 5: place 6
        ("genemask_as_released", "........C.........", ".......MMMMM......"),  # in reach of 8: place 9
        ("genemask_as_released", "...C.C............", "..MMMMM..........."),  # the first centre is wide, not the best
        ("genemask_as_released", "..................", ".................."),
    ],
)
def test_as_released_the_places_are_ranked_and_the_half_is_taken_before_it_is_sorted(row, strategy, centres, mask):
    check(3, row, BEST_PLACES, Masking(Strategy(strategy), rate=0.15), centres, mask)


@pytest.mark.parametrize(
    ("strategy", "span", "centres", "mask"),
    [
        ("random", 1, "........C...........", "......MMMMMM........"),
        ("random", 6, "........C...........", "...MMMMMMMMMMM......"),
        ("global", 6, "C...................", ".....MMMMMMMMMMM...."),
        ("global", 1, "C...................", "........MMMMMM......"),
        ("genemask", 1, ".......C............", ".....MMMMMMMMMMM...."),  # ACGTAC is 3 to the right: in reach
        ("genemask", 1, "......C.............", "....MMMMMMMMMMM....."),  # 4 to the right: not; TACGTA at 9 is
        ("genemask", 1, "............C.......", ".....MMMMMMMMMMM...."),  # 2 to the left: in reach
        ("genemask", 1, ".............C......", ".........MMMMMMMMMMM"),  # 3 to the left: not; ACTTTT at 14 is
        ("genemask", 1, "........C....C......", ".....MMMMMMMMMMMM..."),
    ],
)
def test_spans_of_6_mers(strategy, span, centres, mask):
    check(6, ROW_6, BEST_6, Masking(Strategy(strategy), rate=0.15, span=span), centres, mask)


@pytest.mark.parametrize(
    ("strategy", "span", "p"),
    [
        ("random", 1, 0.15 / 6),
        ("random", 6, 0.15 / 11),
        ("pmi_threshold", 1, 0.15 / 6),
        ("global", 6, 0.15 / 11),
        ("genemask", 1, 0.15 / 8.5),
    ],
)
def test_paper_mode_has_the_published_centre_probabilities(strategy, span, p):
    ids_BT = ids_of(6, random_letters(64))
    masking = Masking(Strategy(strategy), rate=0.15, span=span)
    masker = masker_of(6)
    just_below, just_above = (
        masker.choose(ids_BT, masking, torch.full(ids_BT.shape, u)) for u in (p * 0.9999, p * 1.0001)
    )
    assert just_below.all()  # every token is a centre
    assert not just_above.any()


@pytest.mark.parametrize(
    ("strategy", "span", "tokens", "needed"),
    [
        ("random", 1, 5, 6),
        ("random", 6, 10, 11),
        ("global", 2, 6, 7),
        ("pmi_threshold", 6, 10, 11),
        ("genemask", 1, 10, 11),
    ],
)
@pytest.mark.parametrize("budget", Budget)
def test_a_span_wider_than_the_row_is_refused(strategy, span, tokens, needed, budget):
    masker = masker_of(6, budget=budget)
    masking = Masking(Strategy(strategy), rate=0.15, span=span)
    with pytest.raises(InputError, match=f"a span of {needed} tokens must fit into a row, but rows have {tokens} tok"):
        masker(ids_of(6, random_letters(tokens + 5)), masking, torch.tensor([0]))
    fits = masker(ids_of(6, random_letters(needed + 5)), masking, torch.tensor([0]))
    assert fits.mask_BT.shape == (1, needed)


@pytest.mark.parametrize("strategy", [s for s in Strategy if "released" not in s])
@pytest.mark.parametrize("budget", Budget)
def test_a_row_shorter_than_a_span_is_masked_as_far_as_it_goes(strategy, budget):
    """Mixed samples have rows of five tokens; spans are cut at their end, and padding stays as it is."""
    masker = masker_of(6, budget=budget)
    masking = Masking(Strategy(strategy), rate=0.3, span=6)
    ids_BT = ids_of(6, *[random_letters(45, seed=row) for row in range(400)])
    lengths = np.tile(np.array([5, 10, 11, 40]), 100)
    masked = masker(ids_BT, masking, torch.arange(400), lengths)
    inside_BT = torch.arange(40) < torch.from_numpy(lengths)[:, None]
    assert not masked.mask_BT[~inside_BT].any()
    assert torch.equal(masked.inputs_BT[~masked.mask_BT], ids_BT[~masked.mask_BT])
    for length in (5, 10):
        assert masked.mask_BT[torch.from_numpy(lengths == length)].any(), length
    alone = masker(ids_BT[:1, :5], masking, torch.tensor([0]), np.array([5]))
    assert torch.equal(alone.mask_BT[0], masked.mask_BT[0, :5])


def test_a_threshold_that_no_token_reaches_hides_nothing():
    masker = masker_of(3, *BEST_3, budget=Budget.MATCHED)
    masking = Masking(Strategy.PMI_THRESHOLD, rate=0.15, min_quantile=0.99)
    assert not masker(ids_of(3, "T" * 66), masking, torch.tensor([1])).mask_BT.any()
