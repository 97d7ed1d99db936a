"""Runs a study: `python -m study.run [NAME|FILE.yaml] [--set key=value ...]`."""

import argparse
import signal
import sys
import traceback

from curricula import InputError, registry
from study.spec.files import add_spec_arguments, explained, listed, load
from study.spec.study import StudySpec

INTERRUPTED = 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m study.run",
        description="Run a study, or go on with one.",
        epilog="keys of a spec (for FILE.yaml and --set):\n" + explained(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_spec_arguments(parser)
    parser.add_argument("--list", action="store_true", help="list the named specs and end")
    parser.add_argument("--dry-run", action="store_true", help="check everything, print what the study takes, and end")
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="of --dry-run: what a worker computes on, as H100 or RTX 4090 (default: this machine's GPU or CPU core)",
    )
    parser.add_argument(
        "--mfu",
        type=float,
        default=0.3,
        metavar="SHARE",
        help="of --dry-run: share of that device's peak which is used (default: 0.3)",
    )
    parser.add_argument("--resume", metavar="NAME", help="go on with the study of this name after any interruption")
    parser.add_argument(
        "--results", metavar="DIR", help="folder for all studies (default: the spec's, which defaults to ./results)"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 1 trials failed, 2 refused input, 130 interrupted."""
    options = _parser().parse_args(arguments)
    if options.list:
        print(listed())
        return 0
    try:
        spec = _spec(options)
        if options.dry_run:
            return _plan(spec, options.device, options.mfu)
        return _run(spec, resumed=options.resume is not None)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def _spec(options: argparse.Namespace) -> StudySpec:
    from study.folder import saved_spec

    if options.resume is not None:
        if options.overrides:
            raise InputError("a study goes on with the spec it was started with; --set cannot be used with --resume")
        return saved_spec(options.resume, options.results or "results")
    overrides = [*options.overrides, *([f"results={options.results}"] if options.results else [])]
    return load(options.spec, overrides)


def _plan(spec: StudySpec, name: str | None, mfu: float) -> int:
    from study import engine, plan, tasks

    device = plan.device_of(spec, name, mfu)
    try:
        read = engine.check_inputs(spec)
    except InputError:  # such as data that are not here yet: who asks what a study takes may not want them after all
        published = tasks.published_sizes(spec)
        if published is not None:
            plan.show(spec, published, device)
        raise
    plan.show(spec, read, device)
    return 0


def _run(spec: StudySpec, resumed: bool) -> int:
    from study import engine, outcome
    from study.cluster import disk
    from study.folder import create_folder, resume_line, study_id
    from study.progress import Reporter
    from study.runs import expected
    from study.tracking.tracker import Tracker

    tasks = None if resumed else engine.check(spec)
    disk.check(spec, is_new=not resumed)
    if not resumed:
        spec = create_folder(spec)
    folder = spec.folder()
    line = resume_line(folder)
    reporter = Reporter(folder, expected(spec), max(spec.pretraining.budgets))
    reporter.say(f"study {spec.name}, {'resumed' if resumed else 'new'}; everything goes to {folder}")
    for reason in registry.broken().values():
        reporter.say(f"warning: {reason}")
    tracker = Tracker(spec, folder, study_id(folder), reporter.say)
    try:
        engine.prepare(spec, tasks)
        engine.run(spec, reporter, tracker)
        return outcome.conclude(spec, folder, reporter, tracker)
    except KeyboardInterrupt:
        reporter.say(f"interrupted; go on with: {line}")
        tracker.stop("KILLED")
        raise
    except Exception as error:  # Ray lost, memory or disk full: the rows are safe, so say how to go on
        reporter.log(traceback.format_exc())
        if disk.is_full(error):
            room = disk.in_words(disk.free(folder))
            reporter.say(f"the disk of {folder} is full ({room} free): make room, then go on with: {line}")
            return 1
        tracker.stop("FAILED")
        if isinstance(error, InputError):
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        reporter.say(f"the study stopped: {reason[:300]} (all of it in {folder / 'study.log'})")
        reporter.say(f"nothing finished is lost; go on with: {line}")
        return 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # of schedulers and `kill`: as Ctrl-C, with a last line
    sys.exit(main())
