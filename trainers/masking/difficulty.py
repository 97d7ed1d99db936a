"""Difficulty of k-mers: normalised pointwise mutual information, ranks and quantiles.

Formula and defaults: GeneMask (arXiv 2307.15933, section 3) as specified for CM-GEMS (arXiv 2408.07180).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curricula import InputError
from trainers.files import replacing
from trainers.genome.corpus import Corpus
from trainers.genome.intervals import subtract
from trainers.masking.ngrams import count_ngrams
from trainers.settings import PUBLISHED, NpmiFormula, Parts

FORMAT = 2
_CARD = b"card"
_FORMULA = ("parts", "strands", "minimum_count", "repeats", "shuffled_seed")
_CARD_KEYS = ("corpus", "corpus_sha256", "contigs", "k", *_FORMULA, "tokens", "distinct")
_COLUMNS = {"count": pa.int64(), "npmi": pa.float64(), "rank": pa.int64(), "quantile": pa.float64()}


def npmi(counts: list[NDArray[np.int64]], parts: Parts, minimum_count: int) -> NDArray[np.float64]:
    """Return NPMI of every k-mer, shape (4^k,); minus infinity where it does not occur.

    PMI(w) = ln p(w) - max over segmentations of w into >= 2 parts of the sum of ln p(part); the maximum is
    built from the left, one last part at a time. NPMI(w) = PMI(w) ln f / (ln c + ln f), f = count of w,
    c = minimum count. The factor is below 1, so it raises a negative PMI: that is the published formula.
    `pairs` allows parts of one and two nucleotides only, `naive` of one.
    """
    k = len(counts)
    longest = {"all": k, "pairs": 2, "naive": 1}[parts]
    with np.errstate(divide="ignore", invalid="ignore"):
        ln_p = [np.log(c / c.sum()) for c in counts]
        allowed = [p if n < longest else np.full_like(p, -np.inf) for n, p in enumerate(ln_p)]
        best: list[NDArray[np.float64]] = []  # best[n - 1]: largest sum over segmentations of an n-gram, >= 1 part
        split = np.empty(0)
        for n in range(1, k + 1):
            joins = [np.add.outer(best[left - 1], allowed[n - left - 1]).ravel() for left in range(1, n)]
            split = np.max(joins, axis=0) if joins else np.full(4**n, -np.inf)
            best.append(np.maximum(allowed[n - 1], split))
        frequency = np.log(counts[-1])
        pmi = ln_p[-1] - split if k > 1 else np.zeros(4)
        value = pmi * frequency / (np.log(minimum_count) + frequency)
    return np.where(counts[-1] > 0, value, -np.inf)


def _ordered(
    values: NDArray[np.float64], counts: NDArray[np.int64], minimum_count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return rank and quantile: highest value first, then the rare ones; equal values in vocabulary order."""
    size = len(values)
    order = np.lexsort((np.arange(size), -values, counts < minimum_count))
    rank = np.empty(size, np.int64)
    rank[order] = np.arange(size)
    worse = counts[order][::-1].cumsum()[::-1] - counts[order]
    quantile = np.empty(size)
    quantile[order] = worse / counts.sum()
    return rank, quantile


def _counts(corpus: Corpus, k: int, formula: NpmiFormula) -> list[NDArray[np.int64]]:
    """Count n-grams for n = 1..k, with soft-masked bases weighted as the formula says."""
    if formula.repeats == "keep":
        return count_ngrams(corpus, k, formula.strands)
    plain = count_ngrams(corpus, k, formula.strands, subtract(corpus.known, corpus.repeats))
    if formula.repeats == "exclude":
        return plain
    return [own + every for own, every in zip(plain, count_ngrams(corpus, k, formula.strands), strict=True)]


@dataclass(frozen=True)
class Difficulty:
    """NPMI, rank and quantile of every k-mer, in vocabulary order without the special tokens.

    Attributes:
        k: Length of the k-mers.
        counts: How often each occurs on the counted strands, shape (4^k,).
        npmi: Normalised PMI, shape (4^k,).
        rank: 0 = highest NPMI; rare k-mers last, shape (4^k,).
        quantile: Share of the counted tokens whose rank is worse, in [0, 1), shape (4^k,).
        card: Where it came from.
    """

    k: int
    counts: NDArray[np.int64]
    npmi: NDArray[np.float64]
    rank: NDArray[np.int64]
    quantile: NDArray[np.float64]
    card: dict[str, Any]

    @classmethod
    def of(cls, corpus: Corpus, k: int, formula: NpmiFormula = PUBLISHED) -> "Difficulty":
        """Count the corpus and rank its k-mers.

        Raises:
            InputError: k is not in 1..8, or no k-mer fits into the corpus.
        """
        if not 1 <= k <= 8:
            raise InputError(f"k-mers can be ranked for k in 1..8, but got k={k}")
        counts = _counts(corpus, k, formula)
        total = counts[-1]
        if not total.any():
            raise InputError(f"a corpus must hold k-mers of k={k}, but {corpus.card['source']} has none")
        values = npmi(counts, formula.parts, formula.minimum_count)
        card = {
            "format": FORMAT,
            "corpus": corpus.card["source"],
            "corpus_sha256": corpus.card["sha256"],
            "contigs": sorted(corpus.card["contigs"]),
            "k": k,
            **asdict(formula),
            "shuffled_seed": None,
            "tokens": int(total.sum()),
            "distinct": int((total > 0).sum()),
        }
        return cls(k, total, values, *_ordered(values, total, formula.minimum_count), card)

    def shuffled(self, seed: int) -> "Difficulty":
        """Return a placebo: the same NPMI values dealt out to other k-mers, ranks and quantiles anew from them.

        Values change hands among the frequent k-mers, and apart from them among the rare ones that occur. So
        a rank tells nothing about its k-mer but whether it is rare, rare k-mers still rank last, and a quantile
        is still the share of tokens whose rank is worse: it is summed up again over the true counts.

        Raises:
            InputError: the seed is below 1, or this table is a placebo itself.
        """
        if seed < 1:
            raise InputError(f"the seed of a shuffled NPMI table must be at least 1, but got {seed}")
        if self.card.get("shuffled_seed") is not None:
            raise InputError(
                f"an NPMI table can be shuffled once, but this one was shuffled by seed {self.card['shuffled_seed']}"
            )
        minimum_count = self.card.get("minimum_count", 0)  # a table made by hand has no rare k-mers
        frequent = self.counts >= minimum_count
        generator = np.random.default_rng(seed)
        values = self.npmi.copy()
        for group in (frequent, ~frequent & (self.counts > 0)):
            values[group] = generator.permutation(values[group])
        card = {**self.card, "shuffled_seed": seed}
        return Difficulty(self.k, self.counts, values, *_ordered(values, self.counts, minimum_count), card)

    def save(self, path: Path) -> None:
        """Write one Parquet file with the card in its metadata."""
        columns = {"count": self.counts, "npmi": self.npmi, "rank": self.rank, "quantile": self.quantile}
        table = pa.table(columns).replace_schema_metadata({_CARD: json.dumps(self.card)})
        with replacing(path) as temporary:
            pq.write_table(table, temporary)

    @classmethod
    def open(
        cls,
        path: Path,
        k: int,
        corpus_sha256: str,
        formula: NpmiFormula = PUBLISHED,
        shuffled_seed: int | None = None,
    ) -> "Difficulty":
        """Load a saved table.

        Raises:
            InputError: it was made for another k, corpus, formula or shuffle; or it is damaged.
        """
        try:
            table = pq.read_table(path)
            card = json.loads(table.schema.metadata[_CARD])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is not a saved NPMI table: {' '.join(str(error).split())}") from error
        _check_card(path, card, k, corpus_sha256, {**asdict(formula), "shuffled_seed": shuffled_seed})
        _check_columns(path, table, 4**k)
        count, value, rank, quantile = (table.column(name).to_numpy() for name in _COLUMNS)
        found = cls(k, count, value, rank, quantile, card)
        flaw = next(_flaws(found), None)
        if flaw:
            raise InputError(f"the NPMI table {path} is damaged: {flaw}; delete it to have it made again")
        return found

    def unigram_loss(self, kmer_ids: NDArray[np.int64]) -> float:
        """Cross-entropy in nats of guessing each k-mer (0-based, no specials) from its frequency alone."""
        smoothed = np.log((self.counts + 1) / (self.counts.sum() + len(self.counts)))
        return float(-smoothed[kmer_ids].mean())


def _check_card(path: Path, card: Any, k: int, corpus_sha256: str, formula: dict[str, Any]) -> None:
    version = card.get("format") if isinstance(card, dict) else None
    if version != FORMAT:
        raise InputError(
            f"an NPMI table must have format {FORMAT}, but {path} has {version}; delete it to have it made again"
        )
    lacking = [name for name in _CARD_KEYS if name not in card]
    if lacking:
        raise InputError(f"the card of an NPMI table must have `{lacking[0]}`, but that of {path} has not")
    if (card["k"], card["corpus_sha256"]) != (k, corpus_sha256):
        raise InputError(
            f"an NPMI table fits only the corpus and k it was made for, but {path} has k={card['k']} and corpus "
            f"{str(card['corpus_sha256'])[:12]}, while this run has k={k} and corpus {corpus_sha256[:12]}"
        )
    other = [name for name in _FORMULA if card[name] != formula[name]]
    if other:
        made, asked = (", ".join(f"{name}={values[name]}" for name in other) for values in (card, formula))
        raise InputError(
            f"an NPMI table fits only the formula it was made with, but {path} has {made}, while this run has "
            f"{asked}; use another folder"
        )


def _check_columns(path: Path, table: pa.Table, rows: int) -> None:
    types = dict(zip(table.schema.names, table.schema.types, strict=True))
    for name, kind in _COLUMNS.items():
        if types.get(name) != kind:
            raise InputError(f"an NPMI table must have a column `{name}` of {kind}, but {path} has {types.get(name)}")
        if table.column(name).null_count:
            raise InputError(f"no value of an NPMI table may be missing, but `{name}` of {path} lacks some")
    if table.num_rows != rows:
        raise InputError(f"an NPMI table must have 4^k = {rows} rows, but {path} has {table.num_rows}")


def _flaws(table: Difficulty) -> Iterator[str]:
    """Say what is wrong with the numbers of a table; only the first answer is sure to make sense."""
    counts, values, rank = table.counts, table.npmi, table.rank
    for name, column in (("npmi", values), ("quantile", table.quantile)):
        if np.isnan(column).any():
            yield f"`{name}` is NaN in row {int(np.isnan(column).argmax())}"
    if counts.min() < 0:
        yield f"`count` is {counts.min()} in row {int(counts.argmin())}"
    if counts.sum() != table.card["tokens"] or not counts.any():
        yield f"`count` adds up to {counts.sum()}, its card says {table.card['tokens']} tokens"
    for row in np.flatnonzero((values == np.inf) | (np.isneginf(values) != (counts == 0))):
        yield f"`npmi` is {values[row]} in row {row}, where `count` is {counts[row]}"
    if not np.array_equal(np.sort(rank), np.arange(len(rank))):
        yield f"`rank` is no permutation of 0..{len(rank) - 1}"
    true_rank, true_quantile = _ordered(values, counts, table.card["minimum_count"])
    if not np.array_equal(rank, true_rank) or not np.array_equal(table.quantile, true_quantile):
        yield "`rank` and `quantile` do not follow from `npmi` and `count`"
