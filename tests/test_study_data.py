"""What a study reads: genomes, tables and tasks on disk or in an object store, and the test sequences in them."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from curricula import InputError
from study import engine
from study.folder import create_folder
from study.provenance import Provenance
from study.runs import data_settings
from study.spec.files import parse
from study.store import Store
from study.tracking.runs import EXPERIMENT
from tests import object_store
from tests.dna import random_letters
from tests.models import small
from tests.object_store import ObjectStore
from tests.studies import MINI, StudyProcess
from trainers import data, storage
from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.genome.ingest import ingest
from trainers.models.exported import export
from trainers.prepare.__main__ import main as prepare

LEAKED, CLEAN = 12, 18


def written_task(folder: Path, genome: Corpus) -> Path:
    """A task of windows of 40 bases; 12 of the 30 test sequences stand in the genome, whose training DNA has most."""
    known = genome.known[genome.known[:, 1] - genome.known[:, 0] > 60_000][0, 0]
    leaked = [genome.letters(known + at, known + at + 40).decode() for at in range(0, 500 * LEAKED, 500)]
    rows = {
        split: [random_letters(40, seed=number + 1000 * place) for number in range(CLEAN)]
        for place, split in enumerate(("train", "dev", "test"))
    }
    rows["test"] += leaked
    folder.mkdir(parents=True)
    for split, sequences in rows.items():
        lines = [f"{letters},{number % 2}" for number, letters in enumerate(sequences)]
        (folder / f"{split}.csv").write_text("\n".join(["sequence,label", *lines, ""]))
    return folder


def spec_with(results: Path, **changed: Any) -> dict[str, Any]:
    content = json.loads(json.dumps(MINI)) | {"results": str(results)}
    content["data"] |= changed.pop("data", {})
    content["evaluation"] |= changed.pop("evaluation", {})
    return {**content, **changed}


def own_task(name: str = "own/chr22") -> list[dict[str, Any]]:
    return [{**MINI["evaluation"]["tasks"][0], "name": name, "shots": 5}]


def prepared(content: dict[str, Any]) -> Path:
    spec = parse(content, "test")
    engine.check(spec)
    spec = create_folder(spec)
    engine.prepare(spec)
    return spec.folder()


def test_leaks_are_on_the_card_and_can_be_kept_out(genome, tmp_path):
    written_task(tmp_path / "tasks/own/chr22", genome)
    evaluation = {"root": str(tmp_path / "tasks"), "tasks": own_task()}
    folders = {}
    for excluded in (False, True):
        content = spec_with(tmp_path / str(excluded), data={"exclude_test_windows": excluded}, evaluation=evaluation)
        folders[excluded] = prepared(content)
        provenance = Provenance.of(folders[excluded])
        (line,) = provenance.leaks
        assert (line.task, line.windows, line.searched) == ("own/chr22", 30, 30)
        assert 6 <= line.found <= LEAKED  # some may stand in validation blocks or their margins
        assert provenance.excluded is excluded
    spec = parse(content, "test")
    settings = data_settings(spec)
    kept, without = (data.load(settings, folders[excluded])[0].training.windows for excluded in (False, True))
    assert len(without) < len(kept)
    read, before = (
        {row.tobytes() for row in windows.read(windows.starts(np.arange(len(windows)))).numpy()}
        for windows in (without, kept)
    )
    lines = (tmp_path / "tasks/own/chr22/test.csv").read_text().split()[1 + CLEAN :]
    leaked = [bases.encode(line[:25].encode()).tobytes() for line in lines]  # as long as the windows
    assert [row for row in leaked if row in before]
    assert not [row for row in leaked if row in read]


@pytest.mark.parametrize(
    ("found", "excluded", "said"),
    [
        (0, False, "None of the 30 test sequences that were looked for stands in the training DNA."),
        (3, False, "3 of 30 test sequences stand in the training DNA (3 of a): the model may have read them while "),
        (
            3,
            True,
            "3 of 30 test sequences stand in the training DNA (3 of a): they were kept out of the training samples.",
        ),
    ],
)
def test_the_sentence_says_what_was_found_and_done(found, excluded, said):
    leak = {"windows": 33, "too_short": 1, "ambiguous": 2, "found": found}
    sentence = Provenance({"leaks": {"tasks": {"a": leak}, "excluded": excluded}}).leak_sentence()
    assert sentence is not None
    assert sentence.startswith(said)
    assert Provenance({}).leak_sentence() is None


def test_a_prepared_corpus_is_read_where_it_lies(genome, tmp_path):
    shutil.copy(genome.path, tmp_path / "own.arrow")
    content = spec_with(tmp_path / "results", data={"genome": str(tmp_path / "own.arrow")})
    folder = prepared(content)
    assert not (folder / "corpus.arrow").exists()
    settings = data_settings(parse(content, "test"))
    assert data.load(settings, folder)[0].training.windows.corpus.path == tmp_path / "own.arrow"
    (tmp_path / "other.fa").write_text(">c1\n" + random_letters(60_000))
    ingest([tmp_path / "other.fa"], tmp_path / "own.arrow", {"source": "other"})
    with pytest.raises(
        InputError, match=r"a study goes on with the genome it began with, but .*own\.arrow has SHA-256"
    ):
        data.load(settings, folder)


def test_a_genome_given_as_sequence_is_kept_by_the_study(tmp_path):
    (tmp_path / "g.fa").write_text(">c1\n" + random_letters(90_000))
    content = spec_with(tmp_path / "results", data={"genome": str(tmp_path / "g.fa")})
    folder = prepared(content)
    (tmp_path / "g.fa").unlink()
    loaded, _ = data.load(data_settings(parse(content, "test")), folder)
    assert loaded.training.windows.corpus.path == folder / "corpus.arrow"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"margin": 20_000}, "data.margin must be less than data.block, but got 20000 and 20000"),
        (
            {"sampling": {"lengths": "mixed", "shortest": 30}},
            "data.sampling.shortest must not exceed pretraining.length",
        ),
        ({"validation_contigs": ["chr9"]}, "`chr9` must fit a contig of embedded chr22_20-21M"),
        ({"difficulty": "/no/table.parquet"}, "/no/table.parquet is not a saved NPMI table"),
        (
            {"genome": "/no/corpus.arrow"},
            "the genome /no/corpus.arrow does not exist; `python -m trainers.prepare genome`",
        ),
        ({"genome": "ftp://x/y.fa"}, "ftp"),
        ({"repeats": "some"}, "data.repeats"),
        ({"sampling": {"lengths": "tiled"}, "repeats": "downweight"}, "tiled samples cover every base once"),
    ],
)
def test_wrong_data_is_refused_before_anything_is_made(changed, message, tmp_path):
    with pytest.raises(InputError, match=message):
        prepared(spec_with(tmp_path / "results", data=changed))
    assert not (tmp_path / "results").exists()


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store.serving() as serving:
        yield serving


def test_a_whole_study_from_an_object_store(store, genome, tmp_path, monkeypatch):
    """Corpus, NPMI table and tasks at s3:// are those on disk; leaks are in the report and in MLflow. No search."""
    for name, value in object_store.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    assert prepare(["npmi", str(genome.path), "--k", "2", "--out", str(tmp_path / "table.parquet")]) == 0
    written_task(tmp_path / "GUE/own/chr22", genome)
    for place, path in (
        ("own.arrow", genome.path),
        ("table.parquet", tmp_path / "table.parquet"),
        ("GUE", tmp_path / "GUE"),
    ):
        storage.upload(path, store.location(f"bucket/{place}"))
    remote = spec_with(
        tmp_path / "remote",
        data={
            "genome": store.location("bucket/own.arrow"),
            "difficulty": store.location("bucket/table.parquet"),
            "sampling": {"lengths": "mixed", "shortest": 8, "reverse_complement": True},
        },
        evaluation={"root": store.location("bucket/GUE"), "tasks": own_task(), "baselines": [str(tmp_path / "model")]},
    )
    export(small("dnabert2_tiny"), tmp_path / "model", "")
    remote |= {"search": {"trials": 0}, "curricula": {"wide": {"curriculum": "constant", "span": 3}}, "grid": "all"}
    remote["pretraining"] = {**remote["pretraining"], "budgets": [2, 4]}
    path = tmp_path / "remote.yaml"
    path.write_text(json.dumps(remote))
    with StudyProcess(tmp_path / "remote.out", str(path), environment=object_store.CREDENTIALS) as study:
        assert study.wait() == 0, study.text()
    rows = Store(tmp_path / "remote/mini").rows()
    assert len(set(rows["run"])) == 4
    assert set(rows[rows["role"] == "baseline"]["curriculum"]) == {str(tmp_path / "model")}
    assert set(rows[rows["role"] == "grid"]["curriculum"]) == {"wide"}
    local = json.loads(json.dumps(remote)) | {"results": str(tmp_path / "local")}
    local["data"] |= {"genome": str(genome.path), "difficulty": None}
    local["evaluation"]["root"] = str(tmp_path / "GUE")
    from_disk = data.load(data_settings(parse(local, "test")), prepared(local))
    from_store = data.load(data_settings(parse(remote, "test")), tmp_path / "remote/mini")
    assert from_store[1] == from_disk[1]
    assert from_store[0].difficulty.rank.tolist() == from_disk[0].difficulty.rank.tolist()
    page = (tmp_path / "remote/mini/report.html").read_text()
    assert "Test sequences in the training DNA" in page
    (line,) = Provenance.of(tmp_path / "remote/mini").leaks
    assert f"{line.found} of 30 test sequences stand in the training DNA" in page
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'remote/mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id], "tags.`study.kind` = 'study'")
    assert runs[0].data.metrics["test_overlap/own/chr22"] == line.found
