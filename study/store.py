"""Results as rows in Parquet files: the source of truth of a study."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from curricula import InputError
from trainers.files import replacing

PRETRAINING = "pretraining"  # the task and the fidelity of rows that no task gave
SCHEMA = pa.schema(
    [
        ("study", pa.string()),
        ("run", pa.string()),
        ("role", pa.string()),
        ("curriculum", pa.string()),
        ("parameters", pa.string()),
        ("seed", pa.int64()),
        ("budget", pa.int64()),
        ("horizon", pa.int64()),
        ("branch", pa.string()),
        ("fidelity", pa.string()),
        ("task", pa.string()),
        ("repetition", pa.int64()),
        ("split", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("seconds", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Row:
    """One number of one run at one budget.

    Attributes:
        parameters: Arguments and searched numbers of the run, as JSON.
        budget: Optimiser steps of pretraining before the score.
        horizon: Steps that the schedules spanned.
        branch: `trunk`, or `cooldown` where the learning rate fell to 0 on a branch that ends at this budget.
        fidelity: `full` for the whole protocol of a task, or the name of a cheaper way that the spec defines.
        task: An evaluation task, or `pretraining` for losses and costs.
        repetition: Fine-tuning seed or few-shot draw.
        split: dev, test, or validation.
        seconds: Wall time that this number alone took when it was computed.
    """

    study: str
    run: str
    role: str
    curriculum: str
    parameters: str
    seed: int
    budget: int
    horizon: int
    branch: str
    fidelity: str
    task: str
    repetition: int
    split: str
    metric: str
    value: float
    seconds: float


def score_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that a task gave, without losses and costs of the pretraining."""
    return rows[rows["task"] != PRETRAINING].reset_index(drop=True)


class Store:
    """Rows of one study. A score is on disk the moment it is known; a budget at one fidelity is one file in the end."""

    def __init__(self, folder: Path) -> None:
        self._scores = folder / "scores"

    def _parts(self, run: str, budget: int, fidelity: str) -> Path:
        return self._scores / run / f"{budget:08d}.{fidelity}.parts"

    def _finished(self, run: str, budget: int, fidelity: str) -> Path:
        return self._scores / run / f"{budget:08d}.{fidelity}.parquet"

    def write_part(self, run: str, budget: int, fidelity: str, part: str, rows: Iterable[Row]) -> None:
        """Store some rows of a budget under a name of their own, so that only the others are computed again."""
        with replacing(self._parts(run, budget, fidelity) / f"{part.replace('/', '~')}.parquet") as temporary:
            pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], SCHEMA), temporary)

    def has_part(self, run: str, budget: int, fidelity: str, part: str) -> bool:
        """Whether these rows are stored."""
        return (self._parts(run, budget, fidelity) / f"{part.replace('/', '~')}.parquet").exists()

    def finish(self, run: str, budget: int, fidelity: str) -> None:
        """Join the parts of a budget at one fidelity into one file: it is complete."""
        folder = self._parts(run, budget, fidelity)
        parts = sorted(folder.glob("*.parquet"))
        with replacing(self._finished(run, budget, fidelity)) as temporary:
            pq.write_table(pa.concat_tables([pq.read_table(part) for part in parts]), temporary)
        for part in parts:
            part.unlink()
        folder.rmdir()

    def is_finished(self, run: str, budget: int, fidelity: str) -> bool:
        """Whether all rows of a budget at one fidelity are stored."""
        return self._finished(run, budget, fidelity).exists()

    def runs(self) -> list[str]:
        """Return the runs that have rows, in order."""
        return sorted({path.parent.name for path in self._scores.glob("*/*.parquet")})

    def stored_at(self, run: str, budget: int) -> float:
        """Return when the first rows of a budget were complete, in seconds since 1970; other fidelities may follow."""
        return min(path.stat().st_mtime for path in (self._scores / run).glob(f"{budget:08d}.*.parquet"))

    def last_stored_at(self) -> float:
        """Return when the newest rows of the study were complete, in seconds since 1970; 0 where there are none."""
        return max((path.stat().st_mtime for path in self._scores.glob("*/*.parquet")), default=0.0)

    def rows(self, run: str = "*", budget: int | None = None) -> pd.DataFrame:
        """Return the rows of all finished budgets, or of one, of one run or of all, in a fixed order.

        Raises:
            InputError: a file is damaged or has other columns.
        """
        at = "*" if budget is None else f"{budget:08d}.*"
        return _merged([_read(path) for path in sorted(self._scores.glob(f"{run}/{at}.parquet"))])

    def readable(self) -> tuple[pd.DataFrame, list[str]]:
        """Return the rows of every file that can be read, and a line for each other one: which, and why.

        For what is shown to a reader who is shown the lines as well; a study itself must not lose rows.
        """
        tables, lines = [], []
        for path in sorted(self._scores.glob("*/*.parquet")):
            try:
                tables.append(_read(path))
            except InputError as error:
                lines.append(str(error))
        return _merged(tables), lines


def _read(path: Path) -> pa.Table:
    try:
        table = pq.ParquetFile(path).read(use_threads=False)  # a small file; read_table takes five times longer
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"the results file {path} cannot be read: {' '.join(str(error).split())}") from error
    if table.schema != SCHEMA:
        raise InputError(f"a results file must have the columns of this version, but {path} {_differs(table.schema)}")
    return table


def _differs(schema: pa.Schema) -> str:
    """Say in what a schema is another one."""
    lacking = [name for name in SCHEMA.names if name not in schema.names]
    further = [name for name in schema.names if name not in SCHEMA.names]
    shared = [name for name in SCHEMA.names if schema.names.count(name) == 1]
    retyped = [
        f"{name} as {schema.field(name).type}" for name in shared if schema.field(name).type != SCHEMA.field(name).type
    ]
    parts = (("lacks", lacking), ("has also", further), ("has", retyped))
    return ", ".join(f"{verb} {', '.join(names)}" for verb, names in parts if names) or "has them in another order"


def _merged(tables: list[pa.Table]) -> pd.DataFrame:
    merged: pd.DataFrame = pa.concat_tables(tables or [SCHEMA.empty_table()]).to_pandas()
    return merged
