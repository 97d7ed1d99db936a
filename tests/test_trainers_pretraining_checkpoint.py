"""Checkpoints: whole, of these settings, or refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from curricula import Evaluation, InputError
from trainers.pretraining import checkpoint
from trainers.pretraining.checkpoint import TrainingState

STATE = TrainingState(
    3,
    "abc",
    (Evaluation(0, 16.5), Evaluation(2, 15.25)),
    seconds=1.5,
    tokens=900,
    masked_tokens=120,
    flops=1.5e9,
    parts={"mask": 0.25},
    worker_seconds=3.0,
)


def trained(seed: int, width: int = 4) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A small model after two steps, so that the optimiser has moments."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(width, 3), torch.nn.Linear(3, 2))
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(2):
        model(torch.rand(5, width)).square().sum().backward()
        optimiser.step()
        optimiser.zero_grad()
    return model, optimiser


def save(root: Path, step: int = 3, state: TrainingState | None = None, keep_last: int = 9) -> Path:
    writer = checkpoint.Writer({"preset": "none"}, {"tokenizer.json": "{}"}, keep_last)
    writer.save(root, *trained(0), state or TrainingState(step, "abc", (), 0.0, 0, 0), keep=set())
    writer.wait()
    return checkpoint.folder_of(root, state.step if state else step)


def test_model_optimiser_and_state_come_back(tmp_path):
    model, optimiser = trained(0)
    folder = save(tmp_path, state=STATE)
    assert folder == tmp_path / "step-00000003"
    other, other_optimiser = trained(1)
    assert checkpoint.load(folder, other, other_optimiser, "abc") == STATE
    for mine, loaded in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, loaded)
        for key in ("step", "exp_avg", "exp_avg_sq"):
            assert torch.equal(optimiser.state[mine][key], other_optimiser.state[loaded][key])


def test_a_checkpoint_that_knows_one_time_only_is_of_one_worker(tmp_path):
    folder = save(tmp_path, state=STATE)
    raw = json.loads((folder / "state.json").read_text())
    del raw["worker_seconds"]
    (folder / "state.json").write_text(json.dumps(raw))
    assert checkpoint.load(folder, *trained(1), "abc").worker_seconds == STATE.seconds


def test_a_checkpoint_is_plain_files_that_explain_themselves(tmp_path):
    folder = save(tmp_path)
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["model.safetensors", "optimiser.safetensors", "settings.json", "state.json", "tokenizer.json"]
    assert json.loads((folder / "settings.json").read_text()) == {"preset": "none"}
    with safe_open(folder / "model.safetensors", framework="pt") as tensors:
        assert set(tensors.keys()) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert json.loads((folder / "state.json").read_text())["step"] == 3


def test_only_complete_checkpoints_count(tmp_path):
    for step in (10, 2, 300):
        save(tmp_path, step)
    (checkpoint.folder_of(tmp_path, 10) / "state.json").unlink()  # it is written last
    (tmp_path / "step-latest").mkdir()
    (tmp_path / "step-latest" / "state.json").touch()
    assert checkpoint.complete(tmp_path) == [2, 300]
    assert checkpoint.complete(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("keep", "left"),
    [(set(), [8]), ({2, 6}, [2, 6, 8]), ({8}, [8]), ({1, 2, 4, 6, 8}, [2, 4, 6, 8])],
    ids=["the newest only", "budgets", "the newest is a budget", "all"],
)
def test_prune_keeps_the_budgets_and_the_newest(tmp_path, keep, left):
    for step in (2, 4, 6, 8):
        save(tmp_path, step)
    checkpoint.prune(tmp_path, keep)
    assert checkpoint.complete(tmp_path) == left
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-{step:08d}" for step in left]


def test_a_checkpoint_of_other_settings_is_refused_and_changes_nothing(tmp_path):
    folder = save(tmp_path)
    model, optimiser = trained(1)
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(InputError, match="has fingerprint abc and this run def"):
        checkpoint.load(folder, model, optimiser, "def")
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("left", [0, 7, 100, -1], ids=["empty", "no header", "half a header", "one byte less"])
def test_damaged_weights_are_refused(tmp_path, left):
    folder = save(tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:left])
    with pytest.raises(InputError, match=r"the checkpoint .*step-00000003 cannot be read"):
        checkpoint.load(folder, *trained(1), "abc")


def test_missing_weights_are_refused(tmp_path):
    folder = save(tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        checkpoint.load_weights(folder, trained(1)[0])


def test_weights_of_another_model_are_refused_by_name_and_shape(tmp_path):
    folder = save(tmp_path)
    with pytest.raises(InputError, match=r"`0.weight` has shape \(3, 4\) in .* and \(3, 5\) in the model"):
        checkpoint.load_weights(folder, trained(1, width=5)[0])
    with pytest.raises(InputError, match=r"`1\.\w+` has shape \(.*\) in .* and None in the model"):
        checkpoint.load_weights(folder, torch.nn.Sequential(torch.nn.Linear(4, 3)))


@pytest.mark.parametrize("file", ["optimiser.safetensors", "state.json"])
@pytest.mark.parametrize("content", [None, b"", b"{"], ids=["missing", "empty", "cut"])
def test_the_rest_of_a_damaged_checkpoint_is_refused_too(tmp_path, file, content):
    folder = save(tmp_path)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(InputError, match=r"the checkpoint .*step-00000003 cannot be read"):
        checkpoint.load(folder, *trained(1), "abc")


def test_what_is_written_is_the_model_as_it_was_when_saved(tmp_path):
    model, optimiser = trained(0)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    writer = checkpoint.Writer({}, {})
    for step in range(1, 6):
        writer.save(tmp_path, model, optimiser, TrainingState(step, "abc", (), 0.0, 0, 0), keep={1})
        with torch.no_grad():
            for parameter in model.parameters():  # the training goes on while the thread writes
                parameter.add_(1.0)
    writer.wait()
    assert checkpoint.complete(tmp_path) == [1, 5]
    for step, added in ((1, 0.0), (5, 4.0)):
        other, other_optimiser = trained(1)
        checkpoint.load(checkpoint.folder_of(tmp_path, step), other, other_optimiser, "abc")
        assert all(torch.allclose(p - added, q) for p, q in zip(other.parameters(), before, strict=True))


def test_the_last_ones_are_kept_besides_the_budgets(tmp_path):
    writer = checkpoint.Writer({}, {}, keep_last=2)
    for step in (2, 4, 6, 8):
        writer.save(tmp_path, *trained(0), TrainingState(step, "abc", (), 0.0, 0, 0), keep={2})
    writer.wait()
    assert checkpoint.complete(tmp_path) == [2, 6, 8]


def test_a_checkpoint_that_cannot_be_written_is_an_error_of_the_next_call(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    writer = checkpoint.Writer({}, {})
    state = TrainingState(1, "abc", (), 0.0, 0, 0)
    writer.save(blocked, *trained(0), state, keep=set())
    with pytest.raises(NotADirectoryError):
        writer.save(tmp_path, *trained(0), state, keep=set())
    writer.save(tmp_path, *trained(0), state, keep=set())
    writer.wait()
    assert checkpoint.complete(tmp_path) == [1]
