"""What the study engine itself takes: `python -m tests.benchmarks.thousand` runs 1,000 trials that play back curves.

The same engine as of any study - Tune, Optuna, successive halving, rows in Parquet, MLflow, the report - around trials
that train nothing. The baseline is Tune alone with the same trials: no search, no rows, no MLflow.
"""

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from study import engine
from study.cluster import connection
from study.evidence.summary import summarise
from study.folder import create_folder, study_id
from study.progress import Reporter
from study.report import html
from study.runs import expected
from study.spec.files import parse
from study.spec.study import StudySpec
from study.store import Store
from study.tracking.address import tracking_uri
from study.tracking.tracker import Tracker
from tests import curves
from tests.browser import chromium, free_port, wait_until_served
from tests.studies import MINI, logging_processes

ASKED_MS, ASKED_GROWTH_MB, ASKED_PAGE_S = 50.0, 100.0, 3.0
_EVERY = 100  # trials between looks at the memory


class Counting(Reporter):
    """Notes the driver's memory as trials end."""

    memory_mb: list[float]

    def done(self, run: str) -> None:
        """See Reporter."""
        super().done(run)
        if len(self._done) % _EVERY == 0:
            self.memory_mb.append(psutil.Process().memory_info().rss / 2**20)
            self.say(f"{len(self._done)} trials, driver {self.memory_mb[-1]:.0f} MB")


def spec_of(results: Path, trials: int, sampler: str) -> StudySpec:
    """Return the study: three budgets, one task, 10 rows a trial and budget."""
    task = {**MINI["evaluation"]["tasks"][0], "repetitions": 3}
    search = {**MINI["search"], "trials": trials, "random_trials": 20, "sampler": sampler, "reduction_factor": 3.0}
    evaluation = {"tasks": [task], "baselines": []}
    return parse(
        {**MINI, "name": "thousand", "results": str(results), "search": search, "evaluation": evaluation}, "thousand"
    )


def through_the_engine(spec: StudySpec) -> tuple[float, float, list[float]]:
    """Run it; return the CPU seconds of driver and of what logs to MLflow, and the driver's MB each 100 trials."""
    spec = create_folder(spec)
    reporter = Counting(spec.folder(), expected(spec), 6)
    reporter.memory_mb = []
    engine.prepare(spec)
    tracker = Tracker(spec, spec.folder(), study_id(spec.folder()), reporter.say)
    before = time.process_time()
    engine.run(spec, reporter, tracker, curves.play)
    tracker.settle(60)
    (process,) = logging_processes()
    logging = process.cpu_times()
    tracker.finish([], {})
    return time.process_time() - before, logging.user + logging.system, reporter.memory_mb


def _alone(config: dict[str, Any]) -> None:
    from ray import tune

    time.sleep(0.01)
    tune.report({"budget": 2})


def by_tune_alone(spec: StudySpec, trials: int) -> float:
    """Run as many trials without anything of ours; return the driver's CPU seconds."""
    from ray import tune

    with connection.connected(spec.cluster):
        before = time.process_time()
        tune.Tuner(
            tune.with_resources(_alone, {"cpu": 0, "node:__internal_head__": 0.001}),
            param_space={"number": tune.grid_search(list(range(trials)))},
            tune_config=tune.TuneConfig(max_concurrent_trials=1, reuse_actors=True),
            run_config=tune.RunConfig(storage_path=str(Path(spec.results) / "tune"), verbose=0),
        ).fit()
        return time.process_time() - before


@contextlib.contextmanager
def mlflow_ui(results: Path) -> Iterator[str]:
    """Serve the results' MLflow, as the last line of a study says."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", tracking_uri(results)]
    served = subprocess.Popen([*command, "--port", str(port), "--workers", "1"], start_new_session=True)
    try:
        wait_until_served(port, 120)
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in [*psutil.Process(served.pid).children(recursive=True), served]:
            process.kill()
        served.wait()


def seconds_to_open(address: str, words: str) -> tuple[float, float]:
    """Return how long two pages of MLflow take, in a browser that shows its front page, until their words stand there.

    Args:
        address: Of MLflow.
        words: What the page of the study's experiment shows in the end.

    Returns:
        Seconds for the study's experiment, and, as the baseline, for MLflow's own, which is empty.
    """

    def seconds(page: str, words: str) -> float:
        started = time.monotonic()
        browser.get(page)
        WebDriverWait(browser, 120, 0.02).until(lambda b: words in b.find_element(By.TAG_NAME, "body").text)
        return time.monotonic() - started

    with chromium() as browser:
        opened: dict[int, list[float]] = {0: [], 1: []}
        for number, shown in ((0, "No runs logged"), (1, words)) * 3:
            seconds(address, "Experiments")
            opened[number].append(seconds(f"{address}/#/experiments/{number}/runs", shown))
        return statistics.median(opened[1]), statistics.median(opened[0])


def main() -> int:
    """Print the figures; return 1 where one is not what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.thousand", description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000, metavar="N", help="trials of the search (default: 1000)")
    parser.add_argument("--sampler", default="tpe", help="tpe, gp or random (default: tpe)")
    options = parser.parse_args()
    if options.trials < 2 * _EVERY:
        parser.error(f"--trials must be at least {2 * _EVERY}, for memory to be seen to grow, but got {options.trials}")
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        spec = spec_of(results, options.trials, options.sampler)
        alone = by_tune_alone(spec, options.trials)
        seconds, logging, memory = through_the_engine(spec)
        rows = Store(spec.folder()).rows()
        trials = len(set(rows["run"]))
        basis = 1000 * alone / options.trials
        a_trial, growth = 1000 * seconds / trials, memory[-1] - memory[min(1, len(memory) - 1)]
        print(f"{trials} trials, {len(rows)} score rows, sampler {options.sampler}")
        print(f"driver: {a_trial:.1f} ms of CPU a trial (asked: {ASKED_MS:g}); Tune alone: {basis:.1f}")
        print(f"besides, in the process that logs to MLflow, for which nothing waits: {1000 * logging / trials:.1f} ms")
        asked = f"asked: {ASKED_GROWTH_MB:g}"
        print(f"driver memory from trial 200 to the end: {growth:+.0f} MB of {memory[-1]:.0f} ({asked})")
        started = time.monotonic()
        page = html.write(summarise(spec, spec.folder()), spec.folder())
        print(f"report: {time.monotonic() - started:.1f} s, {page.stat().st_size / 2**20:.1f} MB", flush=True)
        with mlflow_ui(results) as address:
            opened, empty = seconds_to_open(address, spec.name)
        print(f"MLflow's page: {opened:.1f} s (asked: {ASKED_PAGE_S:g}); without any run: {empty:.1f} s")
    return int(a_trial > ASKED_MS or growth > ASKED_GROWTH_MB or opened > ASKED_PAGE_S)


if __name__ == "__main__":
    raise SystemExit(main())
