"""What a stored score hangs on, and what happens to a damaged one."""

import dataclasses
import os

import pytest
import torch

from curricula import InputError
from tests.models import small
from tests.test_trainers_evaluation_scoring import PROTOCOL, job, tiny
from trainers.evaluation.cache import Score, ScoreCache, content_of, identity, key_of
from trainers.evaluation.metrics import TaskScores
from trainers.tasks.task import EvaluationTask, Examples

CPU = torch.device("cpu")
SCORE = Score(TaskScores({"mcc": 0.1234567890123456}, {"mcc": -1.0, "accuracy": 1 / 3}), 2.5)
KEY = key_of("model", "task", PROTOCOL, 0, CPU)


def test_a_score_comes_back_to_the_last_bit(tmp_path):
    cache = ScoreCache(tmp_path / "new" / "folder")
    assert cache.get(KEY) is None
    cache.put(KEY, SCORE)
    assert cache.get(KEY) == SCORE
    assert ScoreCache(tmp_path / "new" / "folder").get(KEY) == SCORE


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"dev": {}}', '{"dev": {"mcc": "x"}, "test": {}, "seconds": 1}', "3"]
)
def test_a_damaged_file_is_no_score(content, tmp_path):
    cache = ScoreCache(tmp_path)
    cache.put(KEY, SCORE)
    (path,) = tmp_path.glob("*/*.json")
    path.write_text(content)
    assert cache.get(KEY) is None
    cache.put(KEY, SCORE)
    assert cache.get(KEY) == SCORE


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=f"the folder of scores {tmp_path}/file cannot be written"):
        ScoreCache(tmp_path / "file").put(KEY, SCORE)


def test_each_thing_that_a_score_hangs_on_is_in_its_name():
    others = [
        key_of("other", "task", PROTOCOL, 0, CPU),
        key_of("model", "other", PROTOCOL, 0, CPU),
        key_of("model", "task", PROTOCOL, 1, CPU),
        key_of("model", "task", PROTOCOL, 0, torch.device("cuda")),
        *(
            key_of("model", "task", dataclasses.replace(PROTOCOL, **{field.name: "other"}), 0, CPU)
            for field in dataclasses.fields(PROTOCOL)
        ),
    ]
    assert len({KEY, *others}) == len(others) + 1
    assert key_of("model", "task", PROTOCOL, 0, torch.device("cpu:0")) == KEY


@pytest.mark.parametrize("method", ["counts", "cnn"])
def test_what_reads_no_model_does_not_hang_on_it(method):
    protocol = dataclasses.replace(PROTOCOL, method=method)
    assert key_of("model", "task", protocol, 0, CPU) == key_of("other", "task", protocol, 0, CPU)


def test_a_model_is_known_by_its_encoder():
    one = tiny()
    first = identity(one)
    assert identity(tiny()) == first
    assert identity(tiny(seed=1)) != first
    assert len({first, *(identity(small(name)) for name in ("nt_tiny", "dnabert2_tiny", "modern_tiny"))}) == 4
    with torch.no_grad():
        one.model.cls.predictions.bias.add_(1.0)  # of the language head, which no score reads
        assert identity(one) == first
        one.model.base_model.embeddings.word_embeddings.weight[7, 3] += 1e-3
    assert identity(one) != first


def test_a_task_is_known_by_its_rows_not_by_its_name():
    task = job("a").task
    assert content_of(job("b").task) == content_of(task)
    for split, examples in task.splits.items():
        changed = Examples([*examples.sequences[:-1], examples.sequences[-1] + "A"], examples.labels)
        assert content_of(EvaluationTask("a", 2, {**task.splits, split: changed})) != content_of(task)
        turned = Examples(examples.sequences, examples.labels[::-1].copy())
        assert content_of(EvaluationTask("a", 2, {**task.splits, split: turned})) != content_of(task)


def test_a_kill_while_writing_leaves_no_half_score(tmp_path, monkeypatch):
    cache = ScoreCache(tmp_path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        cache.put(KEY, SCORE)
    assert cache.get(KEY) is None
