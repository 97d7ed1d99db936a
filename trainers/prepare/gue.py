"""`python -m trainers.prepare gue`: the tasks of GUE, from the hub or a copy by hand, each verified."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from curricula import InputError
from curricula.errors import nearest
from trainers.tasks import gue, store
from trainers.tasks.files import read_task
from trainers.tasks.gue import TABLE, GueTask
from trainers.tasks.task import SPLITS, EvaluationTask

if TYPE_CHECKING:
    from trainers.tasks.hub import Mirror

REPO = "leannmlindsey/GUE"
LICENSE = "Apache-2.0 (as its publishers say)"


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("gue", help="download the tasks of GUE, or take a copy, and verify them")
    add_source_arguments(parser, "the tasks of GUE")
    parser.add_argument(
        "--tasks", nargs="+", default=list(TABLE), metavar="NAME", help="such as tf/0 (default: all 28)"
    )
    parser.set_defaults(run=run)


def add_source_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare where data come from and where they go."""
    parser.add_argument("--out", type=Path, default=Path("GUE"), metavar="DIR", help="where to (default: GUE)")
    parser.add_argument(
        "--from", type=Path, metavar="DIR", dest="source", help=f"a folder with {what} (default: download)"
    )
    parser.add_argument(
        "--revision",
        metavar="REV",
        help="commit, tag or branch on the hub (default: the commit of --out, or else main)",
    )
    parser.add_argument("--allow-modified", action="store_true", help="accept data that are not the published ones")


def run(options: argparse.Namespace) -> None:
    """Prepare the tasks and print what they hold."""
    for name in options.tasks:
        if name not in TABLE:
            raise InputError(f"there is no GUE task `{name}`{nearest(name, TABLE)}")
    names = list(dict.fromkeys(options.tasks))
    cards, missing = prepare(names, options)
    gue.verify_shorter({name: _shorter(card) for name, card in cards.items()} if not options.allow_modified else {})
    _print_table(cards)
    if missing:
        raise InputError(
            f"every task must be in {_said(options)}, but it lacks {', '.join(missing)}; give a folder that holds them "
            f"as <group>/<task>/{{train,dev,test}}.csv with --from DIR, or name those that you need with --tasks"
        )


def _said(options: argparse.Namespace) -> str:
    return str(options.source) if options.source else f"the data set {REPO}"


def prepare(names: Sequence[str], options: argparse.Namespace) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Bring tasks into `options.out`, those excepted that are there already.

    Returns:
        The cards by name, and the names that the source lacks.

    Raises:
        InputError: a task is not the published one, or cannot be downloaded.
    """
    cards = {name: card for name in names if (card := store.finished(options.out / name, options.allow_modified))}
    waiting = [name for name in names if name not in cards]
    missing = []
    if waiting:
        with progress() as bar:
            source = open_source(options, REPO, bar)
            for name in bar.track(waiting, description="tasks"):
                task, origin = source(name, TABLE[name], bar) or (None, {})
                if task is None:
                    missing.append(name)
                    continue
                cards[name] = _verified(task, options, origin)
    return {name: cards[name] for name in names if name in cards}, missing


def _verified(task: EvaluationTask, options: argparse.Namespace, origin: Mapping[str, Any]) -> dict[str, Any]:
    modified = None
    try:
        gue.verify(task)
    except InputError as error:
        if not options.allow_modified:
            raise
        modified = str(error)
    described = {**origin, "license": LICENSE, "verified": modified is None}
    described |= {"modified": modified} if modified else {"verified_by": gue.known(task.name)}
    return store.write(task, options.out / task.name, described)


Found = tuple[EvaluationTask, dict[str, Any]]
Source = Callable[[str, GueTask, Progress], Found | None]


def open_source(options: argparse.Namespace, repo: str, bar: Progress) -> Source:
    """Return a function that reads a GUE task from the folder given, or from one commit of the hub."""
    if options.source:
        return _folder(options.source)
    mirror = open_mirror(options, repo, bar)

    def read(name: str, task: GueTask, bar: Progress) -> Found | None:
        folder = store.locate(name, task.mirrors, mirror.files)
        if folder is None:
            return None
        paths = [path for path in mirror.files if path.rpartition("/")[0] == folder]
        chosen = [path for path in paths if Path(path).stem in SPLITS and Path(path).suffix in (".csv", ".parquet")]
        local = fetch_all(mirror, chosen, name, bar)
        origin = {"source": {"repo": repo, "commit": mirror.commit, "files": chosen}}
        return read_task(name, local[0].parent), origin

    return read


def open_mirror(options: argparse.Namespace, repo: str, bar: Progress) -> "Mirror":
    """Resolve the revision once, and remember its commit beside the data."""
    from trainers.tasks.hub import Mirror  # its libraries load slowly; a copy by hand does not need them

    waiting = bar.add_task(f"asking the hub for {repo}", total=None)
    known = store.pinned(options.out).get(repo)
    mirror = Mirror(repo, options.revision or known or "main")
    bar.remove_task(waiting)
    if known not in (None, mirror.commit):
        raise InputError(
            f"a folder holds one commit of {repo}, but {options.out} has {known} and --revision {options.revision} "
            f"is {mirror.commit}; give another --out"
        )
    store.pin(options.out, repo, mirror.commit)
    return mirror


def fetch_all(mirror: "Mirror", paths: Sequence[str], description: str, bar: Progress) -> list[Path]:
    """Download files one by one, shown on a bar of their own."""
    files = bar.add_task(description, total=len(paths))
    local = []
    for path in paths:
        local.append(mirror.fetch(path))
        bar.advance(files)
    bar.remove_task(files)
    return local


def _folder(source: Path) -> Source:
    paths = files_below(source)

    def read(name: str, task: GueTask, _: Progress) -> Found | None:
        folder = store.locate(name, task.mirrors, paths)
        if folder is None:
            return None
        return read_task(name, Path(folder)), {"source": {"folder": str(Path(folder).resolve())}}

    return read


def files_below(source: Path) -> list[str]:
    """Return every file of a folder, however deep.

    Raises:
        InputError: there is no such folder.
    """
    if not source.is_dir():
        raise InputError(f"--from must be a folder, but {source} is {'a file' if source.exists() else 'missing'}")
    return sorted(str(path) for path in source.rglob("*") if path.is_file())


def progress() -> Progress:
    """Return a bar for tasks and files; it goes to standard error and leaves nothing behind."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def checked(card: Mapping[str, Any]) -> str:
    """Return how far a task is known to be the published one."""
    if not card["verified"]:
        return "modified"
    return "content" if card["verified_by"] == gue.CONTENT else "counts"


def _shorter(card: Mapping[str, Any]) -> int:
    return sum(int(split["shorter"]) for split in card["splits"].values())


def _print_table(cards: Mapping[str, Mapping[str, Any]]) -> None:
    caption = "dup.: repeated in train; 2lab: with two labels there; leak: test rows in train"
    table = Table(title="GUE tasks", caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in ("task", "train/dev/test", "nt", "cl.", "dup.", "2lab", "leak", "N", "check"):
        is_text = column in ("task", "check")
        table.add_column(column, justify="left" if is_text else "right", no_wrap=True)
    for name, card in cards.items():
        splits = [card["splits"][split] for split in SPLITS]
        shortest, longest = min(s["shortest"] for s in splits), max(s["longest"] for s in splits)
        table.add_row(
            name,
            "/".join(str(split["rows"]) for split in splits),
            str(longest) if shortest == longest else f"{shortest}-{longest}",
            str(card["classes"]),
            str(splits[0]["duplicates"]),
            str(card["two_labels"]),
            str(card["shared"]["train/test"]),
            str(sum(split["n_letters"] for split in splits)),
            checked(card),
        )
    if cards:
        Console().print(table)
