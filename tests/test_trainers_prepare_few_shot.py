"""`python -m trainers.prepare few-shot`, as a command, against a hub on loopback and copies by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fake_hub import COMMIT, FakeHub, serving
from trainers.tasks.few_shot import COHN
from trainers.tasks.files import read_task
from trainers.tasks.task import SPLITS

FOLDER = "out/few_shot"


def prepare(folder: Path, *arguments: str, hub: FakeHub | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command; it can reach nothing but the hub given."""
    unwanted = ("HF_", "HUGGING", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    offline = {"HF_ENDPOINT": hub.url if hub else "http://127.0.0.1:9", "HF_HOME": str(folder / "home")}
    return subprocess.run(
        [sys.executable, "-m", "trainers.prepare", "few-shot", "--out", str(folder / "out"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**clean, **offline, "HF_HUB_DOWNLOAD_TIMEOUT": "1", "COLUMNS": "100"},
        cwd=Path(__file__).parents[1],
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a refusal."""
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def rows(count: int, length: int, classes: int = 2) -> list[tuple[str, int]]:
    generator = np.random.default_rng(count)
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[generator.integers(0, 4, (count, length))]
    return [(line.tobytes().decode(), row % classes) for row, line in enumerate(letters)]


def table(made: list[tuple[str, int]], *names: str) -> pa.Table:
    return pa.table({names[0]: [sequence for sequence, _ in made], names[1]: [label for _, label in made]})


def write_csv(path: Path, made: list[tuple[str, int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("sequence,label\n" + "".join(f"{sequence},{label}\n" for sequence, label in made))


def parquet(made: list[tuple[str, int]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table(made, "seq", "label"), sink)
    return bytes(sink.getvalue().to_pybytes())


def cohn(test_rows: int = 6948) -> FakeHub:
    train = rows(100, 500)
    files = {
        "README.md": b"enhancers",
        "data/train-00000-of-00002-aa.parquet": parquet(train[:50]),
        "data/train-00001-of-00002-bb.parquet": parquet(train[50:]),
        "data/test-00000-of-00001-cc.parquet": parquet(rows(test_rows, 500)),
    }
    return FakeHub(COHN, files)


def test_a_set_comes_from_the_hub_with_a_dev_split_of_its_train(tmp_path):
    with serving(cohn()) as hub:
        done = prepare(tmp_path, "--sets", "cohn_enh", hub=hub)
        assert done.returncode == 0, done.stderr
        asked = hub.requests.total()
        assert prepare(tmp_path, "--sets", "cohn_enh", hub=hub).stdout == done.stdout
        assert hub.requests.total() == asked
    assert "carved from train" in done.stdout
    card = json.loads((tmp_path / FOLDER / "cohn_enh/card.json").read_text())
    assert card["source"]["commit"] == COMMIT
    assert card["dev"].startswith("none given: 10 of 100 training rows")
    assert "no dev set" in card["protocol"]
    task = read_task("few_shot/cohn_enh", tmp_path / FOLDER / "cohn_enh")
    assert [len(task.splits[split]) for split in SPLITS] == [90, 10, 6948]
    assert np.bincount(task.few_shot(10, draw=0).labels).tolist() == [10, 10]


def test_a_set_with_other_test_rows_is_refused_unless_allowed(tmp_path):
    with serving(cohn(test_rows=10)) as hub:
        line = refused(prepare(tmp_path, "--sets", "cohn_enh", hub=hub))
        assert "Cohn-enh must have 6948 test rows, but" in line
        assert "has 10; --allow-modified" in line
        assert prepare(tmp_path, "--sets", "cohn_enh", "--allow-modified", hub=hub).returncode == 0


def test_a_data_set_without_the_files_is_told_with_what_it_has(tmp_path):
    with serving(FakeHub(COHN, {"README.md": b"empty"})) as hub:
        line = refused(prepare(tmp_path, "--sets", "cohn_enh", hub=hub))
    assert "must hold train and test as Parquet or CSV, but commit" in line
    assert "README.md" in line


def test_sets_that_no_hub_has_are_told_and_taken_from_a_folder(tmp_path):
    line = refused(prepare(tmp_path, "--sets", "splice_40", "silencer"))
    assert "no data set on the hub is known for splice_40, silencer" in line
    assert "--from DIR" in line
    copy = tmp_path / "copy"
    write_csv(copy / "deep/Splice-40/train.csv", rows(90, 40, 3))
    write_csv(copy / "deep/Splice-40/test.csv", rows(3000, 40, 3))
    (copy / "silencer").mkdir()
    pq.write_table(table(rows(60, 300), "sequence", "label"), copy / "silencer/train.parquet")
    pq.write_table(table(rows(60, 300), "sequence", "label"), copy / "silencer/dev.parquet")
    pq.write_table(table(rows(1657, 300), "sequence", "label"), copy / "silencer/test.parquet")
    done = prepare(tmp_path, "--from", str(copy))
    assert done.returncode == 0, done.stderr
    assert "81/9/3000" in done.stdout
    assert "60/60/1657" in done.stdout
    assert f"not prepared: {copy} lacks prom_core, prom_300, cohn_enh" in done.stderr


@pytest.mark.parametrize(
    ("length", "classes", "message"),
    [(41, 3, "must have 40 nt, but"), (40, 2, "Splice-40 must have 3 classes, but"), (40, 0, "has no test file")],
)
def test_a_copy_that_is_another_is_refused(tmp_path, length, classes, message):
    write_csv(tmp_path / "copy/splice_40/train.csv", rows(90, length, classes or 3))
    if classes:
        write_csv(tmp_path / "copy/splice_40/test.csv", rows(3000, length, classes))
    assert message in refused(prepare(tmp_path, "--from", str(tmp_path / "copy"), "--sets", "splice_40"))


def test_promoters_come_from_gue(shared, tmp_path):
    done = prepare(tmp_path, "--from", str(shared / "data"), "--sets", "prom_core")
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / FOLDER / "prom_core/card.json").read_text())
    assert card["splits"]["test"]["rows"] == 5920
    assert card["dev"] == "GUE's own dev split"
    assert card["verified_by"] == "fingerprint of every row"


def test_promoters_of_the_mirror_are_verified_as_gue_is(tmp_path):
    made = "sequence,label\n" + "".join(f"{sequence},{label}\n" for sequence, label in rows(5920, 70))
    files = {f"GUE/prom_core_all/{split}.csv": made.encode() for split in SPLITS}
    with serving(FakeHub("leannmlindsey/GUE", files)) as hub:
        line = refused(prepare(tmp_path, "--sets", "prom_core", hub=hub))
        assert "prom/prom_core_all train must have 47356 rows" in line
        line = refused(prepare(tmp_path, "--sets", "prom_300", "--allow-modified", hub=hub))
        assert "no data set on the hub" in line


def test_wrong_arguments_are_refused(tmp_path):
    assert "there is no few-shot set `silencr` (did you mean `silencer`?)" in refused(
        prepare(tmp_path, "--sets", "silencr")
    )
    assert "--from must be a folder" in refused(prepare(tmp_path, "--from", str(tmp_path / "nowhere")))
    assert "must be reachable" in refused(prepare(tmp_path, "--sets", "cohn_enh"))
