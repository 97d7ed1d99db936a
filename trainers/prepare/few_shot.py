"""`python -m trainers.prepare few-shot`: the five few-shot sets, each verified."""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from curricula import InputError
from curricula.errors import nearest
from trainers.prepare import gue as gue_command
from trainers.tasks import few_shot, gue, store
from trainers.tasks.carve import carve_dev
from trainers.tasks.few_shot import SETS, FewShotSet
from trainers.tasks.files import read_columns, read_rows
from trainers.tasks.task import SPLITS, EvaluationTask, Origin, make_task

_FOLDER = "few_shot"
_NO_DEV = "the published protocol has no dev set; a search needs one"
_KNOWN_ENDS = (".csv", ".tsv", ".parquet", ".fa", ".fasta", ".fna")


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("few-shot", help="download the few-shot sets, or take a copy, and verify them")
    gue_command.add_source_arguments(parser, "the sets, SET/{train,test}.csv, or GUE's tasks")
    parser.add_argument(
        "--sets",
        nargs="+",
        metavar="NAME",
        help=f"of {', '.join(SETS)}; the last two come only --from a folder (default: all that the source has)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prepare the sets and print what they hold."""
    for name in options.sets or ():
        if name not in SETS:
            raise InputError(f"there is no few-shot set `{name}`{nearest(name, SETS)}")
    cards, missing = prepare(list(dict.fromkeys(options.sets or SETS)), options)
    _print_table(cards)
    if not missing:
        return
    lack = f"{options.source} lacks" if options.source else "no data set on the hub is known for"
    message = (
        f"{lack} {', '.join(missing)}; give a folder with {missing[0]}/train.csv and {missing[0]}/test.csv: "
        f"--from DIR --sets {' '.join(missing)}"
    )
    if options.sets or not cards:
        raise InputError(f"every set must be there, but {message}")
    Console(stderr=True).print(f"not prepared: {message}", soft_wrap=True, highlight=False)


def prepare(names: Sequence[str], options: argparse.Namespace) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Bring sets into `<out>/few_shot`, those excepted that are there already.

    Returns:
        The cards by name, and the names that the source lacks.

    Raises:
        InputError: a set is not the published one, or cannot be downloaded.
    """
    folder = options.out / _FOLDER
    cards, missing = {}, []
    with gue_command.progress() as bar:
        sources: dict[str, gue_command.Source] = {}
        for name in bar.track(names, description="few-shot sets"):
            card = store.finished(folder / name, options.allow_modified)
            if card is None:
                found = _read(SETS[name], options, bar, sources)
                if found is None:
                    missing.append(name)
                    continue
                card = _write(*found, SETS[name], options)
            cards[name] = card
    return cards, missing


def _write(
    task: EvaluationTask, origin: Mapping[str, Any], wanted: FewShotSet, options: argparse.Namespace
) -> dict[str, Any]:
    modified = None
    try:
        few_shot.verify(task, wanted)
        if wanted.gue and task.name == wanted.gue:
            gue.verify(task)
    except InputError as error:
        if not options.allow_modified:
            raise
        modified = str(error)
    card = {"dev": "GUE's own dev split", **task.card} if wanted.gue else dict(task.card)
    named = EvaluationTask(f"{_FOLDER}/{wanted.name}", task.classes, task.splits, task.origins, card)
    described = {
        **origin,
        "title": wanted.title,
        "license": gue_command.LICENSE if wanted.gue else "see the source",
        "verified": modified is None,
        "protocol": _NO_DEV,
    }
    known = gue.known(wanted.gue) if wanted.gue else gue.COUNTS
    described |= {"modified": modified} if modified else {"verified_by": known}
    return store.write(named, options.out / named.name, described)


def _read(
    wanted: FewShotSet, options: argparse.Namespace, bar: Progress, sources: dict[str, gue_command.Source]
) -> tuple[EvaluationTask, Mapping[str, Any]] | None:
    if options.source:
        found = _from_folder(wanted, options.source)
        if found is not None:
            return found
    if wanted.gue:
        if gue_command.REPO not in sources:  # both promoter sets come from one commit
            sources[gue_command.REPO] = gue_command.open_source(options, gue_command.REPO, bar)
        return sources[gue_command.REPO](wanted.gue, gue.TABLE[wanted.gue], bar)
    if wanted.repo and not options.source:
        return _from_hub(wanted, wanted.repo, options, bar)
    return None


def _from_folder(wanted: FewShotSet, source: Path) -> tuple[EvaluationTask, Mapping[str, Any]] | None:
    """Read `<set>/{train,test}` in any kind of file; a set is found under its name or its title, however deep."""
    aliases = {_plain(wanted.name), _plain(wanted.title)}
    for path in gue_command.files_below(source):
        folder = Path(path).parent
        if _plain(folder.name) in aliases and _split_of(path) == "train":
            parts = {
                split: [str(p) for p in sorted(folder.iterdir()) if _split_of(str(p)) == split] for split in SPLITS
            }
            if not parts["test"]:
                raise InputError(f"a few-shot set must have train and test, but {folder} has no test file")
            origin = {"source": {"folder": str(folder.resolve())}}
            return _task(wanted, parts), origin
    return None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _split_of(path: str) -> str | None:
    """Return the split that a file's name tells, such as `train.csv` or `test-00000-of-00001-ab.parquet`."""
    name = PurePosixPath(path).name.removesuffix(".gz")
    known = re.match(r"(train|dev|valid|validation|test)(?![A-Za-z])", name)
    if known is None or PurePosixPath(name).suffix not in _KNOWN_ENDS:
        return None
    return known[1] if known[1] in SPLITS else "dev"


def _from_hub(
    wanted: FewShotSet, repo: str, options: argparse.Namespace, bar: Progress
) -> tuple[EvaluationTask, Mapping[str, Any]]:
    mirror = gue_command.open_mirror(options, repo, bar)
    listed = [path for path in mirror.files if _split_of(path)]
    kind = ".parquet" if any(path.endswith(".parquet") for path in listed) else ".csv"
    chosen = [path for path in listed if path.endswith(kind)]
    if not {"train", "test"} <= {_split_of(path) for path in chosen}:
        raise InputError(
            f"the data set {repo} must hold train and test as Parquet or CSV, but commit {mirror.commit} holds "
            f"{', '.join(mirror.files)[:200] or 'nothing'}; download it by another way and give its folder with --from"
        )
    local = gue_command.fetch_all(mirror, chosen, wanted.title, bar)
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for path, file in zip(chosen, local, strict=True):
        parts[str(_split_of(path))].append(str(file))
    return _task(wanted, parts), {"source": {"repo": repo, "commit": mirror.commit, "files": chosen}}


def _task(wanted: FewShotSet, parts: Mapping[str, Sequence[str]]) -> EvaluationTask:
    read = {split: _rows([Path(path) for path in paths], wanted) for split, paths in parts.items() if paths}
    tables = {split: table for split, (table, _) in read.items()}
    task = make_task(wanted.name, tables, {split: origin for split, (_, origin) in read.items()})
    return task if "dev" in read else carve_dev(task)


def _rows(paths: Sequence[Path], wanted: FewShotSet) -> tuple[pa.Table, Origin]:
    """Read the shards of one split; the columns may have the names of the set's source or ours."""
    read = []
    for path in paths:
        there = read_columns(path)
        columns = wanted.columns if set(wanted.columns) <= set(there) else ("sequence", "label")
        read.append(read_rows([path], columns))
    if len(read) == 1:
        return read[0]
    name = " + ".join(str(path) for path in paths)
    return pa.concat_tables([table for table, _ in read]), Origin(name, "row", 1)


def _print_table(cards: Mapping[str, Mapping[str, Any]]) -> None:
    caption = "leak: test rows in train"
    table = Table(title="few-shot sets", caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in ("set", "train/dev/test", "nt", "cl.", "leak", "dev", "checked"):
        is_text = column in ("set", "dev", "checked")
        table.add_column(column, justify="left" if is_text else "right", no_wrap=True)
    for name, card in cards.items():
        splits = [card["splits"][split] for split in SPLITS]
        table.add_row(
            name,
            "/".join(str(split["rows"]) for split in splits),
            str(splits[0]["longest"]),
            str(card["classes"]),
            str(card["shared"]["train/test"]),
            "carved from train" if "training rows" in card.get("dev", "") else "given",
            gue_command.checked(card),
        )
    if cards:
        Console().print(table)
