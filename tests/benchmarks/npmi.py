"""Speed of counting n-grams: `python -m tests.benchmarks.npmi [FASTA]`, on one core.

The baseline is `collections.Counter` over the substrings of length k alone, on a slice of the same DNA, scaled
to a base; what is measured counts all lengths from 1 to k. The two take turns, so that both meet the same machine.
"""

import argparse
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable

from trainers import data
from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.masking.ngrams import count_ngrams

PLAIN_BASES = 1_000_000  # the baseline takes the same time for every base
REPEATS = 5


def best_seconds(*work: Callable[[], object]) -> list[float]:
    """Return the shortest of some measurements of each: a longer one only waited for something else."""
    measured: list[list[float]] = [[] for _ in work]
    for _ in range(REPEATS):
        for call, times in zip(work, measured, strict=True):
            started_at = time.perf_counter()
            call()
            times.append(time.perf_counter() - started_at)
    return [min(times) for times in measured]


def peak_bytes(work: Callable[[], object]) -> int:
    """Return the largest amount of memory that the work held at once, its result included."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def plain_count(letters: str, k: int) -> Counter[str]:
    return Counter(letters[at : at + k] for at in range(len(letters) - k + 1))


def line(corpus: Corpus, known: int, k: int) -> str:
    """Measure one k."""
    start, end = max(corpus.known.tolist(), key=lambda run: run[1] - run[0])
    letters = bases.decode(corpus.codes(start, min(end, start + PLAIN_BASES)))
    fast, plain = best_seconds(lambda: count_ngrams(corpus, k), lambda: plain_count(letters, k))
    speed, plain_speed = known / fast, len(letters) / plain
    memory = peak_bytes(lambda: count_ngrams(corpus, k)) / 2**20
    return f"k = {k:<2}{speed / 1e6:17,.0f}{plain_speed / 1e6:10.1f}{speed / plain_speed:9,.0f}x{memory:11,.1f} MiB"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.npmi", description="speed of counting n-grams")
    parser.add_argument("genome", nargs="?", default=data.EMBEDDED, help="a FASTA file; without it, the embedded one")
    corpus = data.open_genome(parser.parse_args().genome)
    known = corpus.length - corpus.card["counts"]["N"]
    print(f"{corpus.card['source']}: {known:,} bases beside N in {len(corpus.known)} runs; one core, best of {REPEATS}")
    print(f"{'':6}{'million bases/s':>17}{'Counter':>10}{'ratio':>10}{'peak memory':>15}")
    for k in (6, 10):
        print(line(corpus, known, k))


if __name__ == "__main__":
    main()
