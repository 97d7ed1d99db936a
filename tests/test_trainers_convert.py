"""`python -m trainers.convert`: from a checkpoint, a folder or the hub to a folder that transformers loads."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from transformers import AutoModelForMaskedLM, AutoTokenizer

from curricula import InputError
from tests.fake_hub import FakeHub, serving
from tests.models import dna, small
from trainers import pretrain
from trainers.convert import main
from trainers.models.exported import export
from trainers.models.pretrained import open_checkpoint
from trainers.models.published import published
from trainers.pretraining import checkpoint

NAME = "someone/model"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Give the checkpoint of three steps."""
    out = tmp_path_factory.mktemp("run")
    small = ["--length", "24", "--batch", "8", "--warmup", "1", "--budgets", "3", "--k", "3"]
    assert pretrain.main(["--out", str(out), *small, "--curriculum", "linear", "--set", "start=0.4"]) == 0
    (folder,) = out.glob("linear-*")
    return checkpoint.folder_of(folder, 3)


@torch.no_grad()
def test_a_checkpoint_becomes_a_folder_that_transformers_loads(trained, tmp_path, capsys):
    out = tmp_path / "made/model"
    assert main([str(trained), str(out)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert f"AutoModelForMaskedLM.from_pretrained('{out}')" in line
    model, tokenizer = (auto.from_pretrained(out) for auto in (AutoModelForMaskedLM, AutoTokenizer))
    letters, one = dna(60), open_checkpoint(trained)
    ids_BT = one.tokenizer.encode([letters])
    assert tokenizer(" ".join(letters[at : at + 3] for at in range(58)))["input_ids"] == ids_BT[0].tolist()
    expected_BTV = one.model(ids_BT).logits
    torch.testing.assert_close(model(ids_BT).logits, expected_BTV, rtol=0, atol=1e-6)
    assert torch.equal(published(str(out)).model(ids_BT).logits, expected_BTV)
    settings = json.loads((trained / "settings.json").read_text())
    card = (out / "README.md").read_text()
    assert "license: apache-2.0" in card
    for row in (
        "| preset | tiny |",
        "| tokens | overlapping 3-mers (69 tokens) |",
        "| k | 3 |",
        "| curriculum | linear |",
        '"start": 0.4',
        "| step | 3 |",
        "| horizon | 3 steps |",
        "| learning rate | 0.006 |",
        f"| SHA-256 of the data | {settings['data_sha256']} |",
    ):
        assert row in card


def test_a_published_folder_is_written_in_our_form(tmp_path, capsys):
    export(small("dnabert2_tiny"), tmp_path / "in", "")
    assert main([str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    assert "; import trainers.models.alibi_bert; model = " in capsys.readouterr().out
    card = (tmp_path / "out/README.md").read_text()
    assert "apache" not in card
    assert f"| source | {tmp_path}/in |" in card
    assert "| tokens | byte pairs (128 tokens) |" in card


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Let the library know no hub, no proxy and no other cache."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    ask(monkeypatch, "http://127.0.0.1:9")
    yield tmp_path / "hub"
    huggingface_hub.close_session()


def ask(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let the library ask this hub."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def test_a_model_comes_from_the_hub_without_what_is_not_needed(tmp_path, cache, monkeypatch):
    one = small("nt_tiny")
    export(one, tmp_path / "in", "")
    files = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    with serving(FakeHub(NAME, {**files, "pytorch_model.bin": b"never read", "modeling.py": b"never run"})) as hub:
        ask(monkeypatch, hub.url)
        assert main([NAME, str(tmp_path / "out")]) == 0
    fetched = {path.name for path in cache.rglob("snapshots/*/*")}
    assert fetched == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    ids_BT = one.tokenizer.encode([dna(50)])
    assert torch.equal(published(str(tmp_path / "out")).model(ids_BT).logits, one.model(ids_BT).logits)
    assert f"| source | {NAME} |" in (tmp_path / "out/README.md").read_text()


@pytest.mark.parametrize(
    ("hub", "message"),
    [
        (FakeHub("another/model", {}), f"{NAME} is no folder, and the hub has no public model of this name"),
        (
            FakeHub(NAME, {"config.json": b"{}"}, stalled={"api"}),
            f"must give the model {NAME}, which is no folder here",
        ),
        (None, f"the hub at http://127.0.0.1:9 must give the model {NAME}"),
    ],
    ids=["no such model", "stalled", "unreachable"],
)
def test_a_hub_that_does_not_give_it_is_told_in_one_line(tmp_path, cache, monkeypatch, capsys, hub, message):
    with serving(hub) if hub else nullcontext():
        if hub:
            ask(monkeypatch, hub.url)
        if hub and hub.stalled:
            monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
        assert main([NAME, str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert message in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "state.json").unlink(), "state.json must be a JSON file, but it cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be read"),
        (lambda folder: (folder / "settings.json").write_text("{}"), "must name `preset` and `k`, but got {}"),
        (lambda folder: (folder / "settings.json").write_text('{"preset": "tiny", "k": 3}'), "not name 'curriculum'"),
        (lambda folder: (folder / "settings.json").write_text('{"preset": "tiny", "k": 2}'), "must fit its model"),
    ],
)
def test_a_damaged_checkpoint_is_refused_with_exit_code_2(trained, tmp_path, capsys, change, message):
    shutil.copytree(trained, tmp_path / "copy")
    change(tmp_path / "copy")
    assert main([str(tmp_path / "copy"), str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_byte_pairs_is_opened_with_its_tokenizer(tmp_path):
    one = small("dnabert2_tiny")
    checkpoint.save_file(checkpoint._weights(one.model), tmp_path / checkpoint.WEIGHTS)
    (tmp_path / checkpoint.SETTINGS).write_text('{"preset": "dnabert2_tiny", "k": 6}')
    (tmp_path / checkpoint.STATE).write_text("{}")
    with pytest.raises(InputError, match=r"the tokenizer .*tokenizer.json cannot be read"):
        open_checkpoint(tmp_path)
    for name, text in one.tokenizer.files().items():
        (tmp_path / name).write_text(text)
    assert open_checkpoint(tmp_path).tokenizer == one.tokenizer
