"""Where Optuna keeps a search: a file of JSON lines, written at the end only, which optuna-dashboard opens too.

One line a number that is proposed takes Optuna a twentieth of what a commit to SQLite does, and shared file systems,
on which SQLite's locks cannot be relied on, do no harm to it.
"""

from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from study.folder import search_path

_GRACE_S = 5  # of a lock that a killed process left; a line is written in far less


def storage(folder: Path) -> JournalStorage:
    """Return the Optuna storage of a study, new or not."""
    file = str(search_path(folder))
    return JournalStorage(JournalFileBackend(file, lock_obj=JournalFileOpenLock(file, grace_period=_GRACE_S)))


def mend(folder: Path) -> None:
    """Drop half a line, as a lost machine or a full disk may leave it: Optuna would write on in it, and never read it.

    Nobody else may write meanwhile.
    """
    if not search_path(folder).exists():
        return
    with search_path(folder).open("r+b") as journal:
        whole = journal.read().rfind(b"\n") + 1
        if journal.seek(0, 2) > whole:
            journal.truncate(whole)
