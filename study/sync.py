"""Refills MLflow from the stored rows: `python -m study.sync NAME`. Running it twice changes nothing."""

import argparse
import sys

from curricula import InputError
from study import outcome
from study.folder import saved_spec, study_id
from study.report import REPORT
from study.store import Store
from study.summary import summarise
from study.tracking import Tracker, tracking_uri


def main(arguments: list[str] | None = None) -> int:
    """Log whatever MLflow does not have yet; return 0, or 1 where MLflow does not answer, or 2 for wrong input."""
    parser = argparse.ArgumentParser(prog="python -m study.sync", description="Refill MLflow from stored results.")
    parser.add_argument("name", help="name of the study, a folder under --results")
    parser.add_argument("--results", default="results", metavar="DIR", help="folder of all studies (default: results)")
    options = parser.parse_args(arguments)
    try:
        spec = saved_spec(options.name, options.results)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    folder = spec.folder()
    tracker = Tracker(spec, folder, study_id(folder), print)
    tracker.start()
    runs = sorted(set(Store(folder).rows()["run"]))
    for run in runs:
        tracker.end_run(run, "FINISHED")
    if runs:
        report = folder / REPORT
        tracker.finish([report] if report.exists() else [], outcome.key_numbers(summarise(spec, folder)))
    if not tracker.is_down:
        print(f"{len(runs)} runs of {spec.name} are in MLflow at {tracking_uri(folder.parent)}")
    return int(tracker.is_down)


if __name__ == "__main__":
    sys.exit(main())
