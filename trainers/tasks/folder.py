"""All tasks that lie somewhere below a folder."""

from pathlib import Path

from curricula import InputError
from trainers.tasks.files import read_task
from trainers.tasks.task import SPLITS, EvaluationTask


def tasks_under(root: Path) -> list[EvaluationTask]:
    """Read every folder with train, dev and test (CSV or Parquet); a task is named by its path below the root.

    Raises:
        InputError: there is none, or one is malformed.
    """
    folders = sorted({path.parent for path in root.rglob("train.*") if path.suffix in (".csv", ".parquet")})
    whole = [folder for folder in folders if all(list(folder.glob(f"{split}.*")) for split in SPLITS)]
    if not whole:
        raise InputError(f"a folder of tasks must hold <task>/{{train,dev,test}}.csv or .parquet, but {root} has none")
    return [read_task(str(folder.relative_to(root)), folder) for folder in whole]
