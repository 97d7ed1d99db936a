"""Shows what each curriculum will hide, before anything is trained: `python -m study.preview [NAME|FILE.yaml]`."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from curricula import InputError, registry
from study.spec.files import add_spec_arguments, load
from study.spec.study import StudySpec

if TYPE_CHECKING:
    from study.preview.curve import Curve
    from study.preview.lines import Preview

INTERRUPTED = 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m study.preview",
        description="Replay the curricula of a study over the whole horizon on its real DNA, without training, and "
        "show what they hide. Arguments that the study searches take their defaults. Nothing is written but --html.",
        epilog="keys of a spec: python -m study.run --help",
    )
    add_spec_arguments(parser)
    parser.add_argument("--html", metavar="FILE", type=Path, help="also write the figures to this page (default: none)")
    parser.add_argument(
        "--curriculum",
        nargs="+",
        action="extend",
        metavar="NAME",
        dest="curricula",
        help="show these only; one that the spec does not name takes its defaults (default: all of the spec)",
    )
    parser.add_argument(
        "--horizon",
        type=int,
        metavar="STEPS",
        help="optimiser steps that the schedules span (default: the longest budget of the spec)",
    )
    curve = parser.add_mutually_exclusive_group()
    curve.add_argument(
        "--perplexity",
        metavar="FILE",
        type=Path,
        help="loss curve to show the curricula: a CSV with the header step,perplexity (optimiser steps; exponential of "
        "the loss in nats a token), or the state.json of a checkpoint (default: nothing is measured)",
    )
    curve.add_argument(
        "--recorded",
        metavar="NAME",
        help="the same, as measured by the constant control of this study in the results folder (default: none)",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Show the preview; return 0, 2 for refused input, or 130 when interrupted."""
    options = _parser().parse_args(arguments)
    try:
        _show(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _show(options: argparse.Namespace) -> None:
    """Refuse whatever can be refused before torch is loaded and rows are masked."""
    spec = load(options.spec, options.overrides)
    names = _chosen(spec, options.curricula)
    horizon = options.horizon if options.horizon is not None else max(spec.pretraining.budgets)
    if horizon < 1:
        raise InputError(f"--horizon must be at least 1 step, but got {horizon}")
    if options.html is not None:
        _check_writable(options.html)
    curve = _curve(options, spec)

    import torch

    from study.preview.lines import replay
    from study.preview.text import print_preview

    for reason in registry.broken().values():
        print(f"warning: {reason}", file=sys.stderr)
    torch.set_num_threads(1)  # batches are small: where cores are shared, waiting for threads took most of the time
    preview = replay(spec, names, horizon, curve)
    print_preview(preview)
    if options.html is not None:
        _write(preview, options.html)


def _chosen(spec: StudySpec, asked_for: list[str] | None) -> list[str]:
    names = list(dict.fromkeys(asked_for or spec.curricula))
    for name in names:
        registry.get(spec.behind(name)[0])
    return names


def _curve(options: argparse.Namespace, spec: StudySpec) -> "Curve":
    from study.preview.curve import Curve, read_curve, recorded_curve

    if options.perplexity is not None:
        return read_curve(options.perplexity)
    if options.recorded is not None:
        return recorded_curve(options.recorded, spec.results)
    return Curve()


def _check_writable(page: Path) -> None:
    """Try it, since permissions alone do not tell; what is tried leaves nothing behind."""
    if page.is_dir():
        raise InputError(f"--html must name a file, but {page} is a folder")
    try:
        with tempfile.TemporaryFile(dir=page.parent):
            pass
    except OSError as error:
        raise InputError(f"the page {page} cannot be written: {error.strerror}") from error


def _write(preview: "Preview", page: Path) -> None:
    from study.preview.page import write

    try:
        write(preview, page)
    except OSError as error:
        raise InputError(f"the page {page} cannot be written: {error.strerror}") from error
    print(f"\npage: {page}")


if __name__ == "__main__":
    sys.exit(main())
