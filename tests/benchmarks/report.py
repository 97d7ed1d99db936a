"""A report of 10,000 score rows: `python -m tests.benchmarks.report` builds it and opens it in Chromium.

All of GUE's 27 tasks under seven curricula, three budgets and five seeds with two fine-tunings each, as a large study
has them; the numbers are drawn at random. The baseline is the report of a small study, whose page is plotly's own code
for the most part.
"""

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from study.evidence.summary import summarise
from study.folder import create_folder
from study.report import html
from study.spec.evaluation import CNN, KMER_COUNTS
from study.spec.files import load
from study.spec.study import RANDOM_INIT, StudySpec
from study.store import Row, Store, score_rows
from tests.browser import chromium
from tests.filled import filled

ASKED_S, ASKED_MB, ASKED_OPEN_S = 10.0, 8.0, 2.0
_SEEDS, _REPETITIONS = 5, 2
_FLOORS = {KMER_COUNTS: 0.50, CNN: 0.55, RANDOM_INIT: 0.40}
_READY = """return document.readyState == 'complete' &&
    [...document.querySelectorAll('.plotly-graph-div')].every(one => one.querySelector('.main-svg'))"""


def large(results: Path) -> StudySpec:
    """Make a study's folder and fill it with random scores; return its spec."""
    spec = load(
        "cm_gems_logo",
        ["name=large", f"results={results}", f"seeds={_SEEDS}", f"evaluation.root={results}", "data.genome=embedded"],
    )
    spec = create_folder(spec)
    generator = np.random.default_rng(0)
    tasks = {task.name: generator.normal(0.0, 0.15) for task in spec.evaluation.tasks}
    for seed in range(_SEEDS):
        for name in spec.curricula:
            for place, budget in enumerate(spec.pretraining.budgets):
                _write(spec, name, seed, budget, 0.45 + 0.05 * place, tasks, generator)
        for name, level in _FLOORS.items():
            if name != KMER_COUNTS or not seed:
                _write(spec, name, seed, 0, level, tasks, generator)
    (spec.folder() / "provenance.json").write_text(json.dumps({"unigram_loss": 8.0, "corpus": {"source": "hg38"}}))
    return spec


def _write(
    spec: StudySpec,
    name: str,
    seed: int,
    budget: int,
    level: float,
    tasks: dict[str, float],
    generator: np.random.Generator,
) -> None:
    """Store the rows of one run at one budget."""
    run, role = f"{name}-s{seed}", "baseline" if name in (KMER_COUNTS, CNN) else "control"
    horizon = max(spec.pretraining.budgets)
    common = (spec.name, run, role, name, "{}", seed, budget, horizon, "cooldown" if budget else "trunk")
    rows = [
        Row(*common, "full", task, repetition, split, "mcc", float(level + lift + generator.normal(0, 0.02)), 30.0)
        for task, lift in tasks.items()
        for repetition in range(_REPETITIONS if role == "control" else 1)
        for split in ("dev", "test")
    ]
    recorded: dict[str, float] = {"train_seconds": 0.1 * budget, "worker_hours": budget / 36000}
    if budget:
        recorded |= {"validation_loss": 8.0 - level, "validation_perplexity": 2000.0, "tokens_per_second": 1e5}
        recorded |= {"flops": 1e12 * budget, "tokens": 127_500.0 * budget, "masked_tokens": 19_125.0 * budget}
    rows += [
        Row(*common, "pretraining", "pretraining", 0, "validation", metric, value, 0.0)
        for metric, value in recorded.items()
    ]
    store = Store(spec.folder())
    store.write_part(run, budget, "full", "all", rows)
    store.finish(run, budget, "full")


def seconds_to_open(browser: Chrome, page: Path) -> float:
    """Return the median of three times until every figure of a page is drawn."""

    def once() -> float:
        browser.get("about:blank")
        started = time.monotonic()
        browser.get(page.as_uri())
        WebDriverWait(browser, 60, 0.02).until(lambda b: b.execute_script(_READY))
        return time.monotonic() - started

    return statistics.median([once() for _ in range(3)])


def _built(spec: StudySpec) -> tuple[Path, float]:
    """Return the page, and the seconds that reading the rows, summing up and writing took."""
    started = time.monotonic()
    page = html.write(summarise(spec, spec.folder()), spec.folder())
    return page, time.monotonic() - started


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; return 1 where one is not what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.report", description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, metavar="DIR", help="results folder to leave behind (default: none is)")
    options = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        results = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        small = filled(results.resolve(), "small")
        basis, _ = _built(small)  # which imports everything as well
        spec = large(results.resolve())
        page, seconds = _built(spec)
        _, least = _built(small)
        browser = stack.enter_context(chromium())
        opened, soonest = seconds_to_open(browser, page), seconds_to_open(browser, basis)
        rows, size = len(score_rows(Store(spec.folder()).rows())), page.stat().st_size / 1e6
        smallest = basis.stat().st_size / 1e6
    print(f"{rows:,} score rows of {len(spec.evaluation.tasks)} tasks; beside: a study of some rows")
    print(f"built in {seconds:.1f} s (asked: {ASKED_S:g}); the small one in {least:.1f} s, ratio {seconds / least:.1f}")
    print(f"{size:.1f} MB (asked: {ASKED_MB:g}); the small one {smallest:.1f} MB, ratio {size / smallest:.2f}")
    print(f"opens in {opened:.1f} s (asked: {ASKED_OPEN_S:g}); the small one in {soonest:.1f} s")
    return int(seconds > ASKED_S or size > ASKED_MB or opened > ASKED_OPEN_S)


if __name__ == "__main__":
    raise SystemExit(main())
