"""Refills MLflow from the stored rows: `python -m study.sync NAME`. Running it twice changes nothing."""

import argparse
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from curricula import InputError
from study import outcome
from study.evidence.summary import summarise
from study.figures import pictures
from study.folder import how_it_ended, saved_spec, study_id
from study.report.tables import REPORT
from study.spec.study import StudySpec
from study.store import Store
from study.tracking.address import shown_uri
from study.tracking.errors import is_no_answer, reason_of
from study.tracking.runs import MlflowRuns


def main(arguments: list[str] | None = None) -> int:
    """Log whatever MLflow does not have yet; return 0, or 1 where MLflow does not take it, or 2 for wrong input."""
    parser = argparse.ArgumentParser(prog="python -m study.sync", description="Refill MLflow from stored results.")
    parser.add_argument("name", help="name of the study, a folder under --results")
    parser.add_argument("--results", default="results", metavar="DIR", help="folder of all studies (default: results)")
    options = parser.parse_args(arguments)
    try:
        spec = saved_spec(options.name, options.results)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return _refill(spec, spec.folder())


def _refill(spec: StudySpec, folder: Path) -> int:
    place = f"MLflow at {shown_uri(folder.parent)}"
    runs, refused = Store(folder).runs(), 0
    is_running = _is_running(folder)
    mlflow = MlflowRuns(spec, folder, study_id(folder))
    try:
        mlflow.load()
        mlflow.open(is_running)
        for run in runs:
            try:
                mlflow.sync(run, how_it_ended(folder, run) or (None if is_running else "KILLED"))
            except Exception as error:
                if is_no_answer(error):
                    raise
                refused += 1
                print(f"{place} did not take {run} ({reason_of(error)})")
        mlflow.attach([folder / name for name in ("spec.yaml", "provenance.json", REPORT, pictures.FOLDER)])
        mlflow.log_model()
        if runs and not is_running:
            is_whole = (folder / REPORT).exists()
            summary = summarise(spec, folder)
            status = "FINISHED" if is_whole else "KILLED"
            mlflow.close(outcome.key_numbers(summary), status, outcome.key_words(summary))
    except Exception as error:  # whatever MLflow, SQLAlchemy or the network raises
        what = "does not answer" if is_no_answer(error) else "could not be filled"
        print(f"{place} {what} ({reason_of(error)}); nothing is lost, so repeat this later")
        return 1
    print(f"{len(runs) - refused} runs of {spec.name} are in {place}")
    return int(refused > 0)


def _is_running(folder: Path) -> bool:
    """Whether a process runs this study now: it ends its own runs."""
    try:
        with FileLock(folder / ".lock", timeout=0):
            return False
    except Timeout:
        return True


if __name__ == "__main__":
    sys.exit(main())
