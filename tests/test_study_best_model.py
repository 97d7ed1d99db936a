"""The model a study ends with: which one, whole or not at all, and in MLflow once."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from transformers import AutoModelForMaskedLM

from study import best_model
from study.best_model import BestModel, export_best
from study.evidence.summary import summarise
from study.folder import create_folder, study_id
from study.runs import data_settings, default_run
from study.spec.files import parse
from study.spec.study import StudySpec
from study.store import Store
from study.tracking.address import tracking_uri
from study.tracking.runs import EXPERIMENT, MlflowRuns
from tests import curves
from tests.runs import ALONE
from tests.studies import MINI
from trainers import data
from trainers.models.pretrained import open_checkpoint
from trainers.pretraining import checkpoint
from trainers.pretraining.loop import pretrain


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    """Give a study that really trained two curricula for 6 steps; `linear` scores higher."""
    spec = create_folder(parse({**MINI, "results": str(tmp_path_factory.mktemp("results"))}, "test"))
    data.prepare(data.open_genome(spec.data.genome), data_settings(spec), spec.folder())
    loaded, sha256 = data.load(data_settings(spec), spec.folder())
    for name, score in (("constant", 0.2), ("linear", 0.4)):
        run = default_run(spec, name, "search")
        checkpoints = spec.folder() / "runs" / run.key / "checkpoints-6"
        list(pretrain(run.settings(spec, 6, sha256), loaded, [6], checkpoints, ALONE))
        curves.store(spec, run, 6, score)
    return spec


@pytest.fixture
def spec(trained: StudySpec, tmp_path: Path) -> StudySpec:
    """Give a copy of it."""
    shutil.copytree(trained.folder(), tmp_path / trained.name)
    return trained.model_copy(update={"results": str(tmp_path)})


def export(spec: StudySpec) -> BestModel | None:
    return export_best(summarise(spec, spec.folder()), spec.folder())


def checkpoint_of(spec: StudySpec, name: str) -> Path:
    run = default_run(spec, name, "search")
    return checkpoint.folder_of(spec.folder() / "runs" / run.key / "checkpoints-6", 6)


def weights(place: Path) -> bytes:
    return (place / "model.safetensors").read_bytes()


def test_it_is_that_of_the_best_curriculum_at_the_longest_budget_and_transformers_loads_it(spec: StudySpec) -> None:
    found = export(spec)
    assert found is not None
    assert (found.curriculum, found.budget, found.score) == ("linear", 6, pytest.approx(0.4))
    model = AutoModelForMaskedLM.from_pretrained(best_model.path(spec.folder()))
    ours = open_checkpoint(checkpoint_of(spec, "linear")).model.state_dict()
    loaded = model.state_dict()
    assert all(loaded[name].equal(ours[name]) for name in ours)
    assert best_model.stored(spec.folder()) == found


def test_it_is_written_once_and_replaced_by_a_better_one(spec: StudySpec) -> None:
    export(spec)
    place = best_model.path(spec.folder())
    before, of_linear = place.stat(), weights(place)
    export(spec)
    assert (place.stat().st_ino, place.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    for run in ("linear", "constant"):
        shutil.rmtree(spec.folder() / "scores" / default_run(spec, run, "search").key)
    curves.store(spec, default_run(spec, "constant", "search"), 6, 0.9)
    found = export(spec)
    assert found is not None
    assert found.curriculum == "constant"
    assert place.stat().st_mtime_ns != before.st_mtime_ns  # the number of an inode may be used again
    assert weights(place) != of_linear


def test_where_the_checkpoint_is_gone_what_was_written_stays(spec: StudySpec) -> None:
    shutil.move(checkpoint_of(spec, "linear"), spec.folder() / "elsewhere")
    assert export(spec) is None
    shutil.move(spec.folder() / "elsewhere", checkpoint_of(spec, "linear"))
    found = export(spec)
    shutil.rmtree(checkpoint_of(spec, "linear"))
    assert export(spec) == found


def test_where_nothing_was_pretrained_there_is_none(tmp_path: Path) -> None:
    spec = create_folder(parse({**MINI, "results": str(tmp_path)}, "test"))
    assert export(spec) is None
    assert best_model.stored(spec.folder()) is None


def in_mlflow(spec: StudySpec) -> tuple[list[LoggedModel], list[Run]]:
    client = MlflowClient(tracking_uri=tracking_uri(spec.folder().parent))
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    return list(client.search_logged_models([experiment])), list(client.search_runs([experiment]))


def log(spec: StudySpec) -> None:
    runs = MlflowRuns(spec, spec.folder(), study_id(spec.folder()))
    runs.load()
    runs.open()
    for run in Store(spec.folder()).runs():
        runs.sync(run, "FINISHED")
    runs.log_model()


def test_mlflow_has_it_once_with_its_files_scores_and_run(spec: StudySpec, tmp_path: Path) -> None:
    log(spec)
    assert in_mlflow(spec)[0] == []
    found = export(spec)
    assert found is not None
    for _ in range(2):
        log(spec)
    (model,), runs = in_mlflow(spec)
    assert model.name == spec.name
    assert model.status == "READY"
    assert model.params["curriculum"] == "linear"
    scores = {metric.key: (metric.step, metric.value) for metric in model.metrics}
    assert scores["score/test"] == (6, pytest.approx(0.4))
    (run,) = [run for run in runs if run.info.run_id == model.source_run_id]
    assert run.data.tags["study.run"] == found.run
    assert [(one.model_id, one.step) for one in run.outputs.model_outputs] == [(model.model_id, 6)]
    assert weights(tmp_path / model.artifact_location.rpartition(f"{tmp_path}/")[2]) == weights(
        best_model.path(spec.folder())
    )
    history = MlflowClient(tracking_uri=tracking_uri(tmp_path)).get_metric_history(run.info.run_id, "score/test")
    assert [(entry.step, entry.value) for entry in history] == [(6, pytest.approx(0.4))]


def test_mlflow_keeps_no_model_of_another_configuration(spec: StudySpec) -> None:
    export(spec)
    log(spec)
    curves.store(spec, default_run(spec, "constant", "search"), 6, 0.9)
    export(spec)
    log(spec)
    (model,), _ = in_mlflow(spec)
    assert model.params["curriculum"] == "constant"
