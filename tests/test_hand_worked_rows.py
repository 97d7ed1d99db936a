"""One row of twenty bases, worked out by hand for every strategy, from NPMI to labels.

Token i is the 3-mer that begins at base i; a centre's narrow span covers the tokens -1..+1 (one base is hidden: no
other token shows it), a wide one -2..+2 (three bases). NPMI of the 3-mers in the row, others have none::

    token   0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15  16  17
    3-mer  ACG CGG GGT GTT TTT TTT TTA TAC ACC CCA CAG AGG GGA GAT ATT TTC TCA CAT
    NPMI   -.9 -.5 -.1  .2  .6  .6  .5  .0 -.2  .1  .3  .4 -.3 -.4  .1  .0 -.6 -.7
"""

import numpy as np
import pytest
import torch

from curricula import Masking, Strategy
from tests.dna import ids_of
from trainers.masking.difficulty import Difficulty
from trainers.masking.masker import Masker
from trainers.settings import Budget
from trainers.tokens.kmers import KmerTokenizer

ROW = "ACGGTTTTACCAGGATTCAT"
NPMI = {
    "ACG": -0.9, "CGG": -0.5, "GGT": -0.1, "GTT": 0.2, "TTT": 0.6, "TTA": 0.5, "TAC": 0.0, "ACC": -0.2, "CCA": 0.12,
    "CAG": 0.3, "AGG": 0.4, "GGA": -0.3, "GAT": -0.4, "ATT": 0.1, "TTC": 0.01, "TCA": -0.6, "CAT": -0.7,
}  # fmt: skip

# each strategy: which tokens were drawn (C), which are masked then (M), and the bases that nothing shows any more (x)
TABLE = {
    # random: a narrow span around each centre
    "random": (
        Masking(Strategy.RANDOM, 0.15),
        "...C.........C....",
        "..MMM.......MMM...",
        "....x.........x.....",
    ),
    # the same centres with spans of three nucleotides
    "random, span 3": (
        Masking(Strategy.RANDOM, 0.15, span=3),
        "...C.........C....",
        ".MMMMM.....MMMMM..",
        "...xxx.......xxx....",
    ),
    # three were drawn, so the three best tokens of the row: TTT, TTT (the lower position first) and TTA
    "global": (
        Masking(Strategy.GLOBAL, 0.15, span=3),
        "C.......C........C",
        "..MMMMMMM.........",
        "....xxxxx...........",
    ),
    # one was drawn: the best token alone, at its lowest position
    "global, one": (
        Masking(Strategy.GLOBAL, 0.15, span=3),
        ".................C",
        "..MMMMM...........",
        "....xxx.............",
    ),
    # centres 3, 9 and 16; the best in reach (-1..+1) are TTT at 4 (.6), CAG at 10 (.3) and TTC at 15 (.01). The best
    # half of three is two: wide spans around 4 and 10; the third keeps a narrow span around its own place, 16
    "genemask": (
        Masking(Strategy.GENEMASK, 0.15),
        "...C.....C......C.",
        "..MMMMM.MMMMM..MMM",
        "....xxx...xxx....xxx",
    ),
    # of the drawn tokens, only those among the five best 3-mers (TTT TTA AGG CAG GTT) may be centres: 3 and 11
    "pmi_threshold": (
        Masking(Strategy.PMI_THRESHOLD, 0.15, min_quantile=0.65),
        "C..C...C...C...C..",
        "..MMM.....MMM.....",
        "....x.......x.......",
    ),
}


@pytest.fixture(scope="module")
def masker() -> Masker:
    words = KmerTokenizer(3).vocabulary()[5:]
    values = np.array([NPMI.get(word, -np.inf) for word in words])
    counts = np.array([int(word in NPMI) for word in words])
    rank = np.argsort(np.argsort(-values, kind="stable"), kind="stable")
    worse = [counts[rank > place].sum() for place in rank]
    table = Difficulty(3, counts, values, rank, np.array(worse) / counts.sum(), card={})
    return Masker(table, Budget.PAPER, 0, ids_of(3, ROW * 5))


def hidden_bases(masked: str) -> str:
    """Mark the bases that no visible token shows: token i shows i, i + 1 and i + 2."""
    tokens = [[at for at in (base - 2, base - 1, base) if 0 <= at < len(masked)] for base in range(len(masked) + 2)]
    return "".join("x" if all(masked[at] == "M" for at in showing) else "." for showing in tokens)


@pytest.mark.parametrize("name", TABLE)
def test_by_hand(name, masker):
    masking, drawn, masked, bases = TABLE[name]
    u_BT = torch.tensor([[0.0 if letter == "C" else 0.9999 for letter in drawn]])
    ids_BT = ids_of(3, ROW)
    mask_BT = masker.choose(ids_BT, masking, u_BT)
    found = "".join(".M"[int(token)] for token in mask_BT[0])
    assert f"\n{ROW}\n{drawn}\n{found}\n{hidden_bases(found)}" == f"\n{ROW}\n{drawn}\n{masked}\n{bases}"
    labels = KmerTokenizer(3).decode(ids_BT[mask_BT].tolist()).split()
    assert labels == [ROW[at : at + 3] for at, letter in enumerate(masked) if letter == "M"]


def test_what_a_model_reads_and_must_answer(masker):
    """The fate of a masked token follows from its own number: below 80 % [MASK], to 90 % another 3-mer, else itself."""
    ids_BT = ids_of(3, ROW)
    fate = [0.1, 0.85, 0.95, 0.79, 0.81, 0.9]
    replacement = [0, 0, 0, 0, 63, 0]  # AAA is the first 3-mer, GGG the last
    bits = [int(share * 2**24) + (kmer << 24) for share, kmer in zip(fate, replacement, strict=True)]
    bits_BT = torch.tensor([[*bits, *[0] * 12]])
    mask_BT = torch.tensor([[True] * 6 + [False] * 12])
    read = KmerTokenizer(3).decode(masker._corrupt(ids_BT, mask_BT, bits_BT)[0].tolist()).split()
    assert read[:6] == ["[MASK]", "AAA", "GGT", "[MASK]", "GGG", "TTT"]
    assert read[6:] == [ROW[at : at + 3] for at in range(6, 18)]
