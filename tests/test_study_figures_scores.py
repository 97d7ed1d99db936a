"""The first picture: over budgets in test_study_evidence_summary.py; here, what one budget does not spread out."""

from pathlib import Path

import pytest

from study.figures import scores
from tests.studies import MINI
from tests.trials import spec_of, summed, trial


def test_of_one_budget_each_curriculum_has_a_line_with_its_seeds_and_interval(tmp_path: Path) -> None:
    """Seeds of 0.3, 0.4 and 0.5 on test: 4.303 x 0.1 / sqrt(3) to either side."""
    spec = spec_of(tmp_path, pretraining={**MINI["pretraining"], "budgets": [6]}, seeds=3)
    constant = [trial(f"constant-s{seed}", "constant", {6: 0.4 + seed / 10}, seed=seed) for seed in range(3)]
    others = [trial("linear-s0", "linear", {6: 0.7}), trial("kmer_counts-s0", "kmer_counts", {0: 0.8}, role="baseline")]
    figure = scores.scores(summed(spec, *constant, *others))
    means = {trace.name: trace for trace in figure.data if trace.name}
    assert {name: trace.x[0] for name, trace in means.items()} == pytest.approx(
        {"linear": 0.6, "constant": 0.4, "kmer_counts": 0.7}
    )
    assert {name: list(trace.y) for name, trace in means.items()} == {name: [name] for name in means}
    assert means["constant"].error_x.array[0] == pytest.approx(0.2484, abs=1e-4)
    assert means["linear"].error_x.array[0] == 0.0
    (seeds,) = [trace for trace in figure.data if not trace.name and trace.x]
    assert list(seeds.x) == pytest.approx([0.3, 0.4, 0.5])
    assert set(seeds.y) == {"constant"}
    assert figure.layout.xaxis.title.text == "test MCC"
