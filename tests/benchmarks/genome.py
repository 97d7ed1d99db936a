"""Genome-scale data: `python -m tests.benchmarks.genome [--bases 3.1e9] [--real FASTA.gz] [--folder DIR]`.

A FASTA file is made with the composition of the human genome: 24 contigs, runs of N, half of it lower case. It is
prepared from plain text and from gzip, pinned to one core, by the command that users call; the baselines are
`sha256sum` of the file and `gzip -dc FILE | wc -c`, in the same run. Windows are read beside pyfaidx and pysam
(`pip install -e '.[benchmarks]'`), and by forked and spawned processes and threads at once, which must agree.
"""

import argparse
import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.genome.leaks import find_leaks
from trainers.genome.sampling import Sampler
from trainers.genome.windows import Windows
from trainers.settings import Lengths, Sampling
from trainers.tokens.kmers import KmerTokenizer

WIDTH, READ, WORKERS = 515, 20_000, 8
LINE = 60
CONTIGS = 24
N_SHARE, REPEAT_LENGTH = 0.05, 300  # of hg38: 5 % N; repeats and what is between them are about 300 bases long
_AT_ONCE = 60 << 16
_LAUNCHER = """
import resource, subprocess, sys, time
started_at = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(time.perf_counter() - started_at, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def synthetic(path: Path, size: int) -> None:
    """Write a FASTA file of about `size` bases: A and T 29.5 %, C and G 20.5 %, some N, half of it lower case."""
    generator = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", np.uint8).repeat([59, 41, 41, 59])  # 200 to choose from
    with open(path, "wb") as file:
        for number in range(CONTIGS):
            file.write(f">chr{number + 1} synthetic\n".encode())
            for first in range(0, size // CONTIGS, _AT_ONCE):
                length = min(_AT_ONCE, size // CONTIGS - first)
                chosen = letters[generator.integers(0, len(letters), length, dtype=np.uint8)]
                cuts = np.cumsum(generator.exponential(REPEAT_LENGTH, 2 * length // REPEAT_LENGTH + 50)).astype(
                    np.int64
                )
                lower = np.searchsorted(cuts, np.arange(length), side="right") % 2 == 1
                chosen[lower] |= 32
                unknown = int(generator.integers(0, length))
                chosen[unknown : unknown + int(N_SHARE * length)] = ord("N")
                whole = chosen[: length // LINE * LINE].reshape(-1, LINE)
                file.write(np.pad(whole, ((0, 0), (0, 1)), constant_values=ord("\n")).tobytes())
                if length % LINE:
                    file.write(chosen[len(whole) * LINE :].tobytes() + b"\n")


def timed(command: Sequence[str | Path], one_core: bool = False) -> tuple[float, float]:
    """Run a command; return wall seconds and its peak memory in MiB, pages of mapped files included.

    A fresh interpreter starts it: what this process holds would be counted as its child's.
    """
    pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if one_core else []
    launcher = [sys.executable, "-S", "-c", _LAUNCHER, *pinned, *map(str, command)]
    done = subprocess.run(launcher, stdout=subprocess.PIPE, check=True, text=True)
    seconds, kibibytes = done.stdout.split()[-2:]
    return float(seconds), float(kibibytes) / 1024


def prepared(fasta: Path, out: Path) -> list[str | Path]:
    """Return the command that a user would type."""
    return [sys.executable, "-m", "trainers.prepare", "genome", fasta, "--out", out, "--name", fasta.name]


def ingest_lines(fasta: Path, compressed: Path, out: Path, size: int) -> Iterator[str]:
    """Prepare from plain text and from gzip, each beside its baseline."""
    hashing, _ = timed(["sha256sum", fasta], one_core=True)
    seconds, memory = timed(prepared(fasta, out), one_core=True)
    yield (
        f"prepare, plain text, one core   {seconds:7.1f} s {size / seconds / 1e6:8,.0f} M bases/s   "
        f"{seconds / hashing:5.2f}x sha256sum ({hashing:.1f} s)   peak {memory:,.0f} MiB"
    )
    unpacking, _ = timed(["sh", "-c", f"gzip -dc '{compressed}' | wc -c"])
    seconds, memory = timed(prepared(compressed, out), one_core=True)
    yield (
        f"prepare, gzip, one core         {seconds:7.1f} s {size / seconds / 1e6:8,.0f} M bases/s   "
        f"{seconds / unpacking:5.2f}x gzip -dc | wc -c ({unpacking:.1f} s)   peak {memory:,.0f} MiB"
    )


def npmi_line(path: Path, size: int) -> str:
    """Count and rank 6-mers, imports included."""
    command = [
        sys.executable,
        "-m",
        "trainers.prepare",
        "npmi",
        path,
        "--k",
        "6",
        "--out",
        path.with_suffix(".parquet"),
    ]
    seconds, memory = timed(command)
    speed = size / seconds / 1e6
    return f"NPMI, k = 6                     {seconds:7.1f} s {speed:8,.0f} M bases/s   peak {memory:,.0f} MiB"


def window_lines(corpus: Corpus, fasta: Path) -> Iterator[str]:
    """Read the same windows with pyfaidx, pysam and our reader."""
    starts = chosen_windows(corpus)
    contig = np.searchsorted([c.start for c in corpus.contigs], starts, side="right") - 1
    places = [(corpus.contigs[c].name, int(s - corpus.contigs[c].start)) for c, s in zip(contig, starts, strict=True)]
    fastest = max(best_rate(lambda at=at: corpus.read(starts[at : at + 256], WIDTH), 256) for at in (0, 256, 512))
    ours = corpus.read(starts, WIDTH)
    others = {}
    for name, opened in (("pyfaidx", _pyfaidx), ("pysam", _pysam)):
        try:
            fetch = opened(fasta)
        except ImportError:
            yield f"windows of {WIDTH}: {name} is not installed (pip install -e '.[benchmarks]')"
            continue
        started_at = time.perf_counter()
        read = [fetch(contig, start, start + WIDTH) for contig, start in places]
        others[name] = READ / (time.perf_counter() - started_at)
        wrong = sum(letters.upper() != bases.decode(row) for letters, row in zip(read, ours, strict=True))
        yield f"windows of {WIDTH}, {name:<8}         {others[name]:12,.0f} /s, {wrong} differ from ours"
    ratio = f"   {fastest / max(others.values()):,.0f}x the better" if others else ""
    yield f"windows of {WIDTH}, ours, 256 at a time {fastest:12,.0f} /s{ratio}"


def chosen_windows(corpus: Corpus) -> NDArray[np.int64]:
    """Return where 20,000 random windows begin."""
    windows = Windows(corpus, corpus.known, WIDTH, "benchmark")
    return windows.starts(np.random.default_rng(1).integers(0, len(windows), READ))


def _pyfaidx(fasta: Path) -> Callable[[str, int, int], str]:
    import pyfaidx

    genome = pyfaidx.Fasta(str(fasta), as_raw=True)
    return lambda contig, start, end: str(genome[contig][start:end])


def _pysam(fasta: Path) -> Callable[[str, int, int], str]:
    import pysam

    genome = pysam.FastaFile(str(fasta))
    return lambda contig, start, end: str(genome.fetch(contig, start, end))


def best_rate(work: Callable[[], object], number: int, repeats: int = 20) -> float:
    """Return things a second at the best of some repetitions."""
    best = float("inf")
    for _ in range(repeats):
        started_at = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started_at)
    return number / best


def hashes(corpus: Corpus, seed: int, number: int) -> list[bytes]:
    """Read the first windows in an order of one's own, 100 at a time; return one hash a window."""
    starts = chosen_windows(corpus)[:number]
    order = np.random.default_rng(seed).permutation(number)
    found: dict[int, bytes] = {}
    for at in range(0, number, 100):
        rows = corpus.read(starts[order[at : at + 100]], WIDTH)
        found |= {int(i): hashlib.sha256(row).digest() for i, row in zip(order[at : at + 100], rows, strict=True)}
    return [found[window] for window in range(number)]


def disagreements(corpus: Corpus, number: int, workers: int) -> Iterator[tuple[str, int]]:
    """Read windows by many readers at once; yield how many differ from those of a single reader, by kind of reader."""
    expected = hashes(corpus, 0, number)
    pools: dict[str, Callable[[], Executor]] = {
        "forked processes": lambda: ProcessPoolExecutor(workers, multiprocessing.get_context("fork")),
        "spawned processes": lambda: ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")),
        "threads": lambda: ThreadPoolExecutor(workers),
    }
    for name, pool in pools.items():
        with pool() as readers:
            seeds = range(1, workers + 1)
            answers = list(readers.map(hashes, [corpus] * workers, seeds, [number] * workers, timeout=900))
        yield name, sum(one != right for answer in answers for one, right in zip(answer, expected, strict=True))


def token_line(corpus: Corpus, lengths: Lengths, turned: bool) -> str:
    """Make batches of k-mer ids on one core, from sample numbers to tokens."""
    tokenizer = KmerTokenizer(6)
    sampler = Sampler(corpus, corpus.known, 6, 510, Sampling(lengths, reverse_complement=turned), "keep")
    counter = iter(range(0, 10**9, 256))
    tokens = [0]

    def batch() -> None:
        first = next(counter)
        samples = sampler.sample(0, torch.arange(first, first + 256))
        ids_BT = tokenizer.ids(samples.bases_BL)
        tokens[0] = ids_BT.numel() if samples.tokens is None else int(samples.tokens.sum())

    rates = []
    for _ in range(300):
        started_at = time.perf_counter()
        batch()
        rates.append(tokens[0] / (time.perf_counter() - started_at))
    median = float(np.median(rates[150:]))  # by then most of the file is mapped into this process
    strands = "both strands" if turned else "forward"
    return f"6-mer ids, {lengths}, {strands:<13} {median / 1e6:8,.0f} M tokens/s on one core"


def leak_line(corpus: Corpus) -> str:
    """Look up 30,000 test windows of 101 bases, a third of which stand in the corpus."""
    starts = chosen_windows(corpus)[:10_000]
    own = [bases.decode(row) for row in corpus.read(starts, 101)]
    codes = np.random.default_rng(2).integers(0, 4, (20_000, 101), dtype=np.uint8)
    started_at = time.perf_counter()
    leaks = find_leaks(corpus, corpus.known, {"own": own, "random": [bases.decode(row) for row in codes]})
    seconds = time.perf_counter() - started_at
    found = ", ".join(f"{leak.found:,} of {leak.windows:,} {name}" for name, leak in leaks.by_task.items())
    speed = corpus.length / seconds / 1e6
    return f"leak check, 30,000 test windows {seconds:7.1f} s {speed:8,.0f} M bases/s   found {found}"


@contextmanager
def _workspace(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def measure(fasta: Path, compressed: Path, out: Path) -> None:
    """Print every figure for one genome."""
    size = fasta.stat().st_size * LINE // (LINE + 1)
    for line in ingest_lines(fasta, compressed, out, size):
        print(line, flush=True)
    path = out / f"{fasta.name}.arrow"
    print(npmi_line(path, size), flush=True)
    corpus = Corpus.open(path)
    for line in window_lines(corpus, fasta):
        print(line, flush=True)
    for name, wrong in disagreements(corpus, READ, WORKERS):
        print(f"{WORKERS} {name}, {READ:,} windows each: {wrong} wrong", flush=True)
    for lengths, turned in (("fixed", False), ("mixed", False), ("mixed", True), ("tiled", False)):
        print(token_line(corpus, lengths, turned), flush=True)
    print(leak_line(corpus), flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.genome", description="genome-scale data")
    parser.add_argument("--bases", type=float, default=3.1e9, help="bases of the synthetic genome (default: 3.1e9)")
    parser.add_argument("--real", type=Path, help="also measure this gzip-compressed FASTA (default: none)")
    parser.add_argument("--folder", type=Path, help="where to work and leave the FASTA (default: removed at the end)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with _workspace(options.folder) as folder:
        fasta, compressed = folder / "synthetic.fa", folder / "synthetic.fa.gz"
        if not compressed.exists():
            synthetic(fasta, int(options.bases))
            with open(compressed, "wb") as sink:
                subprocess.run(["gzip", "-1", "-c", fasta], stdout=sink, check=True)
        print(f"synthetic genome of {options.bases:,.0f} bases", flush=True)
        measure(fasta, compressed, folder / "out")
        if options.real is not None:
            plain = folder / options.real.name.removesuffix(".gz")
            with open(plain, "wb") as sink:
                subprocess.run(["gzip", "-dc", options.real], stdout=sink, check=True)
            print(f"\n{options.real.name}", flush=True)
            measure(plain, options.real, folder / "out")
        shutil.rmtree(folder / "out")


if __name__ == "__main__":
    main()
