"""Room for a study: looked for before it starts, and recognised as what ended it."""

import shutil
import traceback
from pathlib import Path

from curricula import InputError
from study.spec.study import StudySpec

# in whose words it comes (the system's, SQLite's, a quota's) depends on who wrote; all cross processes as text
_FULL = ("No space left on device", "os error 28", "disk is full", "Disk quota exceeded")


class DiskFullError(Exception):
    """There is no room for what a study has to write; trying again would be in vain."""


def is_full(error: BaseException | str) -> bool:
    """Whether an error, or one that it comes from, says that a disk is full."""
    text = error if isinstance(error, str) else "".join(traceback.format_exception(error))
    return isinstance(error, DiskFullError) or any(words in text for words in _FULL)


def free(folder: Path) -> float:
    """Return the bytes free where a folder is, or will be made."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return float(shutil.disk_usage(there).free)


def in_words(amount: float) -> str:
    """Return bytes in the unit that people would use for them."""
    power = next((power for power in (4, 3, 2, 1) if amount >= 1000**power), 0)
    return f"{amount / 1000**power:.3g} {('', 'k', 'M', 'G', 'T')[power]}B"


def check(spec: StudySpec, is_new: bool) -> None:
    """Refuse a study whose checkpoints will not fit, those apart that an earlier session has written.

    Raises:
        InputError: they will not.
    """
    from study.plan import plan

    folder = spec.folder()
    stored = 0 if is_new else sum(file.stat().st_size for file in (folder / "runs").rglob("*.safetensors"))
    needed, room = sum(part.disk for part in plan(spec, None)) - stored, free(folder)
    if needed > room:
        raise InputError(
            f"the checkpoints of {spec.name} need {in_words(needed)}, but {folder.parent} has {in_words(room)} free: "
            "make room, take another folder (--results), or fewer budgets or seeds (--set)"
        )
