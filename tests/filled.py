"""Studies filled by hand, without a training: their rows are small enough to check on paper."""

import json
from pathlib import Path
from typing import Any

from study.folder import create_folder
from study.spec.files import parse
from study.spec.study import RANDOM_INIT, StudySpec
from study.store import Row, Store
from tests.studies import MINI

# run, curriculum, seed, budget, (dev, test) scores of the repetitions
TABLE: list[tuple[Any, ...]] = [
    ("init-0", RANDOM_INIT, 0, 0, (0.1, 0.10), (0.2, 0.20), (0.2, 0.20)),
    ("init-1", RANDOM_INIT, 1, 0, (0.1, 0.20), (0.2, 0.30), (0.2, 0.30)),
    ("constant-0", "constant", 0, 2, (0.3, 0.30), (0.3, 0.50)),
    ("constant-0", "constant", 0, 6, (0.5, 0.40), (0.5, 0.60), (0.5, 0.60)),
    ("constant-1", "constant", 1, 6, (0.9, 0.60), (0.9, 0.80), (0.9, 0.80)),
    ("linear-0", "linear", 0, 2, (0.9, 0.05), (0.9, 0.15)),
    ("linear-9", "linear", 0, 2, (0.1, 0.90), (0.1, 0.90)),
]


def fill(folder: Path, table: list[tuple[Any, ...]], branch: str = "trunk", metric: str = "mcc") -> None:
    """Write rows whose workers took a second and ten FLOPs a step, two workers a run."""
    store = Store(folder)
    for run, curriculum, seed, budget, *repetitions in table:
        parameters = json.dumps({"learning_rate": 0.9} if run == "linear-9" else {})
        common = ("mini", run, "search", curriculum, parameters, seed, budget, 6, branch)
        rows = [
            Row(*common, "full", "promoters_ecoli", number, split, metric, value, 3.0)
            for number, scores in enumerate(repetitions)
            for split, value in zip(("dev", "test"), scores, strict=True)
        ]
        costs = {
            "validation_loss": 2.0 - budget / 10,
            "validation_perplexity": 7.0,
            "train_seconds": float(budget),
            "flops": 10.0 * budget,
            "worker_hours": 2 * budget / 3600,
            "gpu_hours": 0.0,
        }
        if budget:
            speed = {"tokens_per_second": 1234.0, "mfu": 0.25}
            costs |= speed | {"seconds_forward": 0.25 * budget, "seconds_backward": 0.5 * budget}
            costs["seconds_communication"] = 0.125 * budget
        rows += [
            Row(*common, "pretraining", "pretraining", 0, "validation", name, value, 0.0)
            for name, value in costs.items()
        ]
        store.write_part(run, budget, "full", "all", rows)
        store.finish(run, budget, "full")
    (folder / "provenance.json").write_text(json.dumps({"unigram_loss": 2.7, "corpus": {"source": "a test"}}))


def filled(results: Path, name: str = "mini", table: list[tuple[Any, ...]] = TABLE, **sections: Any) -> StudySpec:
    """Make a study's folder as a run does, and fill it; sections replace those of `MINI`."""
    content = {**json.loads(json.dumps(MINI)), "seeds": 2, **sections, "name": name, "results": str(results)}
    spec = create_folder(parse(content, "test"))
    fill(spec.folder(), table, metric=spec.evaluation.metric_of("promoters_ecoli"))
    return spec
