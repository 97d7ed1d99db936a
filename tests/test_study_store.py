"""Rows are on disk the moment they are known, and a finished budget is one file."""

import dataclasses
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curricula import InputError
from study.store import SCHEMA, Row, Store

ROW = Row(
    "s", "linear-s0-1", "search", "linear", "{}", 0, 100, 200, "trunk", "full", "tf/0", 0, "test", "mcc", 0.5, 1.0
)


def test_a_budget_is_finished_when_its_parts_are_joined(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_part(ROW.run, 100, "full", "tf/0-0", [ROW])
    store.write_part(ROW.run, 100, "full", "tf/0-1", [dataclasses.replace(ROW, repetition=1, value=0.7)])
    assert store.has_part(ROW.run, 100, "full", "tf/0-1")
    assert not store.has_part(ROW.run, 100, "full", "tf/1-0")
    assert not store.has_part(ROW.run, 100, "probe", "tf/0-1")
    assert not store.is_finished(ROW.run, 100, "full")
    assert store.rows().empty
    store.finish(ROW.run, 100, "full")
    assert store.is_finished(ROW.run, 100, "full")
    assert not store.is_finished(ROW.run, 100, "probe")
    assert store.rows(ROW.run)["value"].tolist() == [0.5, 0.7]
    assert store.rows("other").empty
    assert [path.name for path in (tmp_path / "scores" / ROW.run).iterdir()] == ["00000100.full.parquet"]


def test_fidelities_of_a_budget_are_files_of_their_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for fidelity, value in (("full", 0.5), ("probe", 0.4)):
        store.write_part(ROW.run, 100, fidelity, "tf/0-0", [dataclasses.replace(ROW, fidelity=fidelity, value=value)])
        store.finish(ROW.run, 100, fidelity)
    assert dict(zip(store.rows()["fidelity"], store.rows()["value"], strict=True)) == {"full": 0.5, "probe": 0.4}


def test_a_row_has_the_columns_of_the_schema() -> None:
    assert [field.name for field in dataclasses.fields(Row)] == SCHEMA.names


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scores" / "r" / "00000100.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match=re.escape(f"{path} cannot be read")):
        Store(tmp_path).rows()
    pq.write_table(pa.table({"value": [1.0]}), path)
    with pytest.raises(InputError, match="must have the columns"):
        Store(tmp_path).rows()
