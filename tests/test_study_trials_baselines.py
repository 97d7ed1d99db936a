"""What a study is compared with: scored without a group of workers, or as a model from a folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from curricula import InputError
from study import tasks
from study.runs import Run
from study.spec.files import parse
from study.spec.study import StudySpec
from study.store import Store
from study.trials import baselines
from study.trials.messages import OBJECTIVE
from tests.models import small
from tests.runs import ALONE
from tests.studies import MINI
from trainers.evaluation import scoring
from trainers.models.exported import export


def spec_with(folder: Path, **evaluation: Any) -> StudySpec:
    content = json.loads(json.dumps({**MINI, "results": str(folder), "seeds": 2}))
    content["evaluation"] |= evaluation
    return parse(content, "a test")


def test_a_control_is_scored_with_a_repetition_for_each_seed_and_never_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_with(tmp_path, baselines=["kmer_counts"])
    run = Run("baseline", "kmer_counts", {}, {}, 0)
    assert baselines.reads_letters(run)
    told = baselines.score(spec, run, spec.folder(), ALONE)
    rows = Store(spec.folder()).rows(run.key)
    assert told["budget"] == 0
    assert told[OBJECTIVE] == pytest.approx(rows[(rows["metric"] == "mcc") & (rows["split"] == "dev")]["value"].mean())
    assert set(rows["repetition"]) == {0, 1, 2, 3}  # two draws, for each of two seeds
    assert set(rows["fidelity"]) == {"full"}
    monkeypatch.setattr(scoring, "compute", lambda *_: pytest.fail("computed again"))
    assert baselines.score(spec, run, spec.folder(), ALONE) == told
    other = spec_with(tmp_path, baselines=["kmer_counts"]).model_copy(update={"name": "another"})
    assert baselines.score(other, run, other.folder(), ALONE) == told  # from what the first study knew


@pytest.mark.parametrize("name", ["nt_tiny", "dnabert2_tiny"])
def test_a_model_from_a_folder_reads_with_its_own_tokens(name: str, tmp_path: Path) -> None:
    export(small(name), tmp_path / "model", "")
    spec = spec_with(tmp_path, baselines=[str(tmp_path / "model")])
    baselines.check(spec, tasks.read_whole(spec))
    run = Run("baseline", str(tmp_path / "model"), {}, {}, 0)
    assert not baselines.reads_letters(run)
    told = baselines.score(spec, run, spec.folder(), ALONE)
    rows = Store(spec.folder()).rows(run.key)
    assert set(rows["curriculum"]) == {str(tmp_path / "model")}
    assert told["run"] == run.key == rows["run"].iloc[0]


def test_a_model_that_is_not_there_or_reads_too_little_is_refused_before_anything_runs(tmp_path: Path) -> None:
    spec = spec_with(tmp_path, baselines=["kmer_count"])
    with pytest.raises(InputError, match="a model must be a folder or a hub name like owner/name, but got kmer_count"):
        baselines.check(spec, tasks.read_whole(spec))
    export(small("tiny"), tmp_path / "model", "")
    spec = spec_with(tmp_path, baselines=[str(tmp_path / "model"), "cnn"])
    long = ["ACGT" * 500, "ACGTTT"]
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.csv").write_text(
            "sequence,label\n" + "".join(f"{sequence},{label}\n" for label in (0, 1) for sequence in long * 10)
        )
    places = {split: str(tmp_path / f"{split}.csv") for split in ("train", "dev", "test")}
    spec = spec_with(tmp_path, baselines=[str(tmp_path / "model")], tasks=[{"name": "long", **places}])
    with pytest.raises(InputError, match=rf"must fit the 512 positions of {tmp_path}/model .* has 2000 bases"):
        baselines.check(spec, tasks.read_whole(spec))
