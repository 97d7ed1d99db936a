"""Opens what lies in a results folder for a reader: as much of it as can be read, and a line for all that cannot.

A study that runs or goes on is stricter: what it cannot read stops it (`folder.saved_spec`, `Store.rows`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from curricula import InputError
from study.evidence.summary import Summary, sum_up
from study.folder import named_studies, spec_in, study_id, under_way
from study.provenance import Provenance
from study.spec.study import StudySpec
from study.store import Store, score_rows


@dataclass(frozen=True)
class Opened:
    """What could be read of a study.

    Attributes:
        folder: Where it lies; its name is the study's.
        summary: None where rows are all that can be read.
        rows: As `Store.rows` gives them, without files that cannot be read.
        notes: What could not be read and why, and what is not where it should be: a line each.
    """

    folder: Path
    summary: Summary | None
    rows: pd.DataFrame
    notes: list[str]


def opened(name: str, results: Path, copies: Sequence[str] = ()) -> Opened:
    """Open a study.

    Args:
        name: Of its folder.
        results: The folder of all studies.
        copies: Other folders that hold the same study, which a reader has to know; see `copies_of`.

    Raises:
        InputError: there is none of this name, or none of its scores can be read.
    """
    folder = results / name
    if not folder.is_dir():
        there = ", ".join(named_studies(results)) or "none"
        raise InputError(f"there is no study `{name}` in {results} (there: {there})")
    rows, unread = Store(folder).readable()
    if score_rows(rows).empty:
        raise InputError(
            "; ".join([f"the study {name} has no scores {'that can be read' if unread else 'yet'}", *unread])
        )
    spec, of_spec = _spec(folder)
    of_copies = [f"{name} is the same study as {', '.join(copies)}: they have one study_id"] if copies else []
    running = under_way(folder)
    of_runs = [f"the study is under way or was interrupted: {len(running)} runs have not ended"] if running else []
    notes = [*of_spec, *of_copies, *of_runs, *unread]
    if spec is None:
        return Opened(folder, None, rows, notes)
    provenance, of_cards = _provenance(folder)
    notes += of_cards
    try:
        return Opened(folder, sum_up(spec, folder, rows, provenance, notes), rows, notes)
    except InputError as error:
        return Opened(folder, None, rows, [*notes, f"the scores of {name} cannot be summed up: {error}"])


def _spec(folder: Path) -> tuple[StudySpec | None, list[str]]:
    """Return the spec under the name of its folder, where it is one for this version."""
    try:
        spec = spec_in(folder)
    except InputError as error:
        return None, [f"this version does not accept the spec of {folder.name}, so there is no verdict: {error}"]
    if spec.name == folder.name:
        return spec, []
    note = f"the folder {folder.name} holds the spec of the study `{spec.name}`: it was copied or renamed"
    return spec.model_copy(update={"name": folder.name}), [note]


def _provenance(folder: Path) -> tuple[Provenance, list[str]]:
    try:
        return Provenance.of(folder), []
    except InputError as error:
        return Provenance({}), [str(error)]


def copies_of(name: str, results: Path) -> list[str]:
    """Return the names of other folders that hold the same study, by its identity."""
    same = next((names for names in same_studies(results) if name in names), [])
    return [other for other in same if other != name]


def study_folders(results: Path) -> list[str]:
    """Return the names of all folders that hold a study or what is left of one, in order."""
    with_rows = {path.parent.name for path in results.glob("*/scores")}
    return sorted({*named_studies(results), *with_rows})


def same_studies(results: Path) -> list[list[str]]:
    """Return the names of folders that hold one study, by its identity: the one to be believed first.

    That is the one that its spec names, else one with a spec that this version accepts, else the first by name.
    """
    by_id: dict[str, list[str]] = {}
    for name in study_folders(results):
        try:
            by_id.setdefault(study_id(results / name), []).append(name)
        except OSError:  # without an identity it is nobody's copy
            continue
    return [
        sorted(names, key=lambda name: (_doubt(results / name), name)) for names in by_id.values() if len(names) > 1
    ]


def _doubt(folder: Path) -> int:
    try:
        return int(spec_in(folder).name != folder.name)
    except InputError:
        return 2
