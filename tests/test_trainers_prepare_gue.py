"""`python -m trainers.prepare gue`, as a command, against a hub on loopback and copies by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.fake_hub import COMMIT, FakeHub, serving
from trainers.tasks.files import read_task
from trainers.tasks.task import SPLITS

REPO = "leannmlindsey/GUE"
ROWS = "sequence,label\n" + "".join(f"{letters * 20},{n % 2}\n" for n, letters in enumerate(["ACGT", "CCGA", "GATT"]))
TWO = ["--tasks", "tf/0", "EMP/H3", "--allow-modified"]


def content(*folders: str) -> dict[str, bytes]:
    """Give each file a first row of its own: the hub keeps equal files once."""
    own = {split: f"sequence,label\n{'ACGT'[n] * 80},1\n".encode() for n, split in enumerate(SPLITS)}
    rows = ROWS.partition("\n")[2].encode()
    return {f"GUE/{folder}/{split}.csv": own[split] + rows for folder in folders for split in SPLITS}


def mirror(*folders: str, **faults: set[str]) -> FakeHub:
    return FakeHub(REPO, {"README.md": b"a mirror\n", **content(*(folders or ("human_tf_0", "emp_H3")))}, **faults)


def prepare(folder: Path, *arguments: str, hub: FakeHub | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command; it can reach nothing but the hub given."""
    offline = {"HF_ENDPOINT": hub.url if hub else "http://127.0.0.1:9", "HF_HOME": str(folder / "home")}
    unwanted = ("HF_", "HUGGING", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    environment = {**clean, **offline, "HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1", "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, "-m", "trainers.prepare", "gue", "--out", str(folder / "out"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**environment, **more},
        cwd=Path(__file__).parents[1],
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a refusal."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if ".tmp" in path.name or ".incomplete" in path.name]


def test_tasks_are_downloaded_from_one_commit_and_a_second_run_asks_nothing(tmp_path):
    with serving(mirror()) as hub:
        done = prepare(tmp_path, *TWO, hub=hub)
        assert done.returncode == 0, done.stderr
        assert "tf/0" in done.stdout
        assert "modified" in done.stdout
        asked = hub.requests.total()
        assert all(f"/resolve/{COMMIT}/" in path for path in hub.requests if "/resolve/" in path)
        again = prepare(tmp_path, *TWO, hub=hub)
        assert hub.requests.total() == asked
    assert again.stdout == done.stdout
    card = json.loads((tmp_path / "out/tf/0/card.json").read_text())
    assert card["source"]["commit"] == COMMIT
    assert card["splits"]["train"]["rows"] == 4
    assert "must have 32378 rows" in card["modified"]
    task = read_task("tf/0", tmp_path / "out/tf/0")
    assert task.splits["train"].sequences[2] == "CCGA" * 20
    assert leftovers(tmp_path) == []


def test_a_later_run_goes_on_with_the_commit_of_the_first(tmp_path):
    with serving(mirror()) as hub:
        assert prepare(tmp_path, "--tasks", "tf/0", "--allow-modified", hub=hub).returncode == 0
        hub.heads["main"] = "2" * 40
        hub.heads["old"] = COMMIT
        assert prepare(tmp_path, "--tasks", "EMP/H3", "--allow-modified", hub=hub).returncode == 0
        card = json.loads((tmp_path / "out/EMP/H3/card.json").read_text())
        assert card["source"]["commit"] == COMMIT
        line = refused(prepare(tmp_path, "--tasks", "mouse/0", "--revision", "main", hub=hub))
        assert "a folder holds one commit" in line
        assert "give another --out" in line


def test_a_task_that_is_not_the_published_one_is_refused(tmp_path):
    with serving(mirror()) as hub:
        line = refused(prepare(tmp_path, "--tasks", "tf/0", hub=hub))
    assert "tf/0 train must have 32378 rows, but" in line
    assert "has 4; the first row that differs" in line
    assert "--allow-modified" in line
    assert not (tmp_path / "out/tf/0/card.json").exists()


def test_a_modified_task_is_not_complete_for_one_who_does_not_allow_it(tmp_path):
    with serving(mirror()) as hub:
        assert prepare(tmp_path, "--tasks", "tf/0", "--allow-modified", hub=hub).returncode == 0
        assert "must have 32378 rows" in refused(prepare(tmp_path, "--tasks", "tf/0", hub=hub))


def test_covid_is_found_under_any_of_its_names_and_a_task_that_is_not_there_is_told(tmp_path):
    with serving(mirror("virus_covid")) as hub:
        line = refused(prepare(tmp_path, "--tasks", "virus/covid", "mouse/3", "--allow-modified", hub=hub))
    assert "lacks mouse/3; give a folder that holds them" in line
    assert "--from" in line
    assert (tmp_path / "out/virus/covid/card.json").exists()


FAULTS = {
    "wrong content": ({"wrong": {"GUE/human_tf_0/dev.csv"}}, "must have the hash that the hub lists, but"),
    "too short": ({"short": {"GUE/human_tf_0/dev.csv"}}, "must be reachable for"),
    "not found": ({"gone": {"GUE/human_tf_0/test.csv"}}, "human_tf_0/test.csv, but does not have it (404)"),
    "stalled file": ({"stalled": {"GUE/human_tf_0/test.csv"}}, "must answer within 1 s"),
    "stalled hub": ({"stalled": {"api"}}, "must answer within 1 s"),
}


@pytest.mark.parametrize(("faults", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_hub_at_fault_is_one_line_and_says_what_to_do(tmp_path, faults, expected):
    with serving(mirror(**faults)) as hub:
        line = refused(prepare(tmp_path, "--tasks", "tf/0", "--allow-modified", hub=hub))
        assert expected in line
        assert "--from" in line
        for fault in (hub.wrong, hub.short, hub.gone, hub.stalled):
            fault.clear()
        assert prepare(tmp_path, "--tasks", "tf/0", "--allow-modified", hub=hub).returncode == 0
    assert leftovers(tmp_path) == []


def test_a_connection_that_is_cut_is_resumed(tmp_path):
    path, rows = "GUE/human_tf_0/train.csv", 70_000
    with serving(mirror(cut={path})) as hub:
        hub.files[path] = b"sequence,label\n" + b"".join(b"%s,%d\n" % (b"ACGT" * 40, n % 2) for n in range(rows))
        assert prepare(tmp_path, "--tasks", "tf/0", "--allow-modified", hub=hub).returncode == 0
        assert hub.ranges == ["bytes=10485760-"]  # the library keeps whole pieces of 10 MiB
    assert read_task("tf/0", tmp_path / "out/tf/0").splits["train"].labels.tolist() == [0, 1] * (rows // 2)


def test_a_hub_that_answers_with_an_error_is_named(tmp_path):
    with serving(mirror()) as hub:
        hub.status = 403
        assert "with HTTP status 403" in refused(prepare(tmp_path, "--tasks", "tf/0", hub=hub))
        hub.status = None
        line = refused(prepare(tmp_path, "--tasks", "tf/0", "--revision", "nowhere", hub=hub))
        assert "the hub has no revision nowhere" in line
    with serving(FakeHub("another/set", {})) as hub:
        assert "the hub has no public data set" in refused(prepare(tmp_path, "--tasks", "tf/0", hub=hub))


def test_a_hub_that_names_no_commit_is_refused(tmp_path):
    with serving(mirror()) as hub:
        hub.heads["main"] = ""
        assert "the hub must name the commit" in refused(prepare(tmp_path, "--tasks", "tf/0", hub=hub))


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with serving(mirror()) as hub:
        line = refused(prepare(tmp_path, "--tasks", "tf/0", hub=hub, HF_HOME=str(tmp_path / "file")))
    assert f"{tmp_path / 'file'}" in line
    assert "cannot be written: Not a directory" in line


def test_no_network_is_told(tmp_path):
    assert "must be reachable" in refused(prepare(tmp_path, "--tasks", "tf/0"))
    assert "HF_HUB_OFFLINE forbids" in refused(prepare(tmp_path, "--tasks", "tf/0", HF_HUB_OFFLINE="1"))


@pytest.mark.parametrize("place", ["tf/0", "GUE/GUE/tf/0", "copy/human_tf_0"])
def test_a_copy_by_hand_is_found_however_deep(tmp_path, place):
    for split in SPLITS:
        path = tmp_path / "copy" / place / f"{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ROWS)
    done = prepare(tmp_path, "--from", str(tmp_path / "copy"), "--tasks", "tf/0", "--allow-modified")
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "out/tf/0/card.json").read_text())
    assert card["source"] == {"folder": str(tmp_path / "copy" / place)}


def test_real_tasks_are_verified_to_the_letter(shared, tmp_path):
    done = prepare(tmp_path, "--from", str(shared / "data"), "--tasks", "tf/4", "prom/prom_core_tata")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("content") == 2
    card = json.loads((tmp_path / "out/tf/4/card.json").read_text())
    assert card["splits"]["train"]["distinct"] == 15_211
    assert pq.read_metadata(tmp_path / "out/tf/4/train.parquet").num_rows == 19_000


def test_a_damaged_file_is_prepared_again(tmp_path):
    with serving(mirror()) as hub:
        assert prepare(tmp_path, "--tasks", "tf/0", "--allow-modified", hub=hub).returncode == 0
        path = tmp_path / "out/tf/0/dev.parquet"
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        assert prepare(tmp_path, "--tasks", "tf/0", "--allow-modified", hub=hub).returncode == 0
    assert path.read_bytes() == whole


def test_wrong_arguments_are_refused(tmp_path):
    assert "there is no GUE task `tf/11` (did you mean `tf/1`?)" in refused(prepare(tmp_path, "--tasks", "tf/11"))
    assert "--from must be a folder, but" in refused(prepare(tmp_path, "--from", str(tmp_path / "nowhere")))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/source.json").write_text("{")
    assert "source.json must be JSON" in refused(prepare(tmp_path, "--tasks", "tf/0"))
