"""Which DNA is trained on and which is kept for validation: whole contigs, or blocks with a margin around them."""

import fnmatch
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curricula import InputError
from curricula.errors import nearest
from trainers.genome.corpus import Contig, Corpus
from trainers.genome.intervals import NONE, Intervals, subtract, widened


@dataclass(frozen=True)
class Split:
    """What is kept for validation. Neighbouring pieces of DNA resemble each other, so single windows never are.

    Attributes:
        block: Length of a block in bases; a block is either all training or all validation.
        validation_share: Share of the blocks kept for validation, in (0, 1).
        seed: Chooses the blocks.
        margin: Bases on either side of a validation block that are not trained on.
        contigs: Names or shell patterns; where there are any, these contigs are kept instead of blocks.
    """

    block: int
    validation_share: float
    seed: int
    margin: int = 0
    contigs: tuple[str, ...] = ()

    def intervals(self, corpus: Corpus) -> tuple[Intervals, Intervals]:
        """Return the N-free [start, end) intervals of training and of validation, shapes (n, 2).

        Training intervals may reach over several blocks; validation intervals lie in one block.

        Raises:
            InputError: a name in `contigs` fits no contig.
        """
        if self.contigs:
            kept = [contig for contig in corpus.contigs if contig.name in set(matching(corpus, self.contigs))]
            ranges = np.array([[contig.start, contig.start + contig.length] for contig in kept], np.int64)
            return subtract(corpus.known, ranges), subtract(corpus.known, subtract(_whole(corpus), ranges))
        pieces, owner = _cut_at_blocks(corpus, self.block)
        blocks, number = np.unique(owner, return_inverse=True)
        kept_blocks = max(1, round(self.validation_share * len(blocks)))
        chosen = np.random.default_rng(self.seed).permutation(len(blocks))[:kept_blocks]
        held_out = pieces[np.isin(number, chosen)]
        return subtract(corpus.known, _with_margin(held_out, self.margin, corpus.contigs)), held_out


def matching(corpus: Corpus, patterns: tuple[str, ...]) -> list[str]:
    """Return the names of the contigs that fit names or shell patterns, in the order of the corpus.

    Raises:
        InputError: a pattern fits none.
    """
    names = list(corpus.card["contigs"])
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise InputError(f"`{pattern}` must fit a contig of {corpus.card['source']}{nearest(pattern, names[:50])}")
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def _whole(corpus: Corpus) -> Intervals:
    return np.array([[contig.start, contig.start + contig.length] for contig in corpus.contigs], np.int64)


def _cut_at_blocks(corpus: Corpus, block: int) -> tuple[Intervals, NDArray[np.int64]]:
    """Cut the known stretches at the edges of blocks, which are counted from the start of each contig.

    Returns:
        [start, end) of the pieces, shape (n, 2), and the number of each one's block over the whole corpus, shape (n,).
    """
    starts = np.array([contig.start for contig in corpus.contigs], np.int64)
    blocks = np.array([-(-contig.length // block) for contig in corpus.contigs], np.int64)
    first_block = np.cumsum(blocks) - blocks
    contig = np.searchsorted(starts, corpus.known[:, 0], side="right") - 1
    within = corpus.known - starts[contig][:, None]
    first, last = within[:, 0] // block, (within[:, 1] - 1) // block
    pieces = last - first + 1
    run = np.repeat(np.arange(len(pieces)), pieces)
    number = first[run] + np.arange(len(run)) - (np.cumsum(pieces) - pieces)[run]
    cut = np.stack([number * block, (number + 1) * block], axis=1).clip(within[run, :1], within[run, 1:])
    return cut + starts[contig[run]][:, None], number + first_block[contig[run]]


def _with_margin(held_out: Intervals, margin: int, contigs: tuple[Contig, ...]) -> Intervals:
    """Widen the intervals, but not into a neighbouring contig, which is no neighbour in the genome."""
    if not len(held_out):
        return NONE
    starts = np.array([contig.start for contig in contigs], np.int64)
    ends = starts + np.array([contig.length for contig in contigs], np.int64)
    own = np.searchsorted(starts, held_out[:, 0], side="right") - 1
    wide = widened(held_out, margin)
    return np.stack([np.maximum(wide[:, 0], starts[own]), np.minimum(wide[:, 1], ends[own])], axis=1)
