"""What the genome benchmark compares is comparable, on a genome of a megabase."""

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import genome as bench
from trainers.genome.corpus import Corpus
from trainers.genome.ingest import ingest


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory) -> tuple[Path, Corpus]:
    folder = tmp_path_factory.mktemp("synthetic")
    bench.synthetic(folder / "s.fa", 1_000_000)
    ingest([folder / "s.fa"], folder / "s.arrow", {"source": "synthetic"})
    return folder / "s.fa", Corpus.open(folder / "s.arrow")


def test_the_synthetic_genome_is_composed_like_the_human_one(synthetic):
    _, corpus = synthetic
    counts = corpus.card["counts"]
    known = sum(counts[letter] for letter in "ACGT")
    assert corpus.length == pytest.approx(1_000_000, abs=24)
    assert len(corpus.contigs) == 24
    assert (counts["G"] + counts["C"]) / known == pytest.approx(0.41, abs=0.01)
    assert counts["N"] / corpus.length == pytest.approx(0.04, abs=0.02)
    assert corpus.card["soft_masked_share"] == pytest.approx(0.5, abs=0.1)


def test_forked_spawned_and_threaded_readers_read_the_same_windows(synthetic):
    found = dict(bench.disagreements(synthetic[1], number=500, workers=3))
    assert found == {"forked processes": 0, "spawned processes": 0, "threads": 0}


def test_a_reader_that_is_wrong_is_noticed(synthetic, monkeypatch):
    _, corpus = synthetic
    monkeypatch.setattr(corpus, "read", lambda starts, width: np.zeros((len(starts), width), np.uint8))
    with pytest.MonkeyPatch.context():
        wrong = dict(bench.disagreements(corpus, number=100, workers=2))
    assert wrong["spawned processes"] > 0  # which open the file anew


def test_the_baselines_read_the_same_letters(synthetic):
    pytest.importorskip("pyfaidx", reason="pyfaidx is not installed (pip install -e '.[benchmarks]')")
    pytest.importorskip("pysam", reason="pysam is not installed (pip install -e '.[benchmarks]')")
    fasta, corpus = synthetic
    lines = list(bench.window_lines(corpus, fasta))
    assert sum("0 differ from ours" in line for line in lines) == 2
