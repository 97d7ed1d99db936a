"""What transformers loads from an exported folder reads and answers as our model does."""

import re

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from curricula import InputError
from tests.models import SMALL, dna, small
from trainers.models.exported import card_of_published, export
from trainers.models.published import published


def text_of(one, letters: str) -> str:
    """k-mers with blanks between them where tokens overlap, as for DNABERT; otherwise the DNA."""
    if one.tokenizer.kind != "overlapping":
        return letters
    k = one.tokenizer.k
    return " ".join(letters[at : at + k] for at in range(len(letters) - k + 1))


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_ids_and_logits_are_ours(name, tmp_path):
    one = small(name)
    export(one, tmp_path / "out", "# card\n")
    model, tokenizer = (auto.from_pretrained(tmp_path / "out") for auto in (AutoModelForMaskedLM, AutoTokenizer))
    sequences = [dna(100), dna(61, 500_000), dna(7, 600_000)]
    read = tokenizer([text_of(one, letters) for letters in sequences], padding=True, return_tensors="pt")
    assert set(read) == {"input_ids", "attention_mask"}
    ids_BT = one.tokenizer.encode(sequences)
    assert torch.equal(read["input_ids"], ids_BT)
    assert torch.equal(read["attention_mask"], (ids_BT != one.tokenizer.specials.pad).long())
    expected_BTV = one.model(ids_BT, attention_mask=read["attention_mask"]).logits
    torch.testing.assert_close(model(**read).logits, expected_BTV, rtol=0, atol=1e-6)
    specials = one.tokenizer.specials
    assert (tokenizer.mask_token_id, tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id) == (
        specials.mask,
        specials.pad,
        specials.cls,
        specials.sep,
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
    assert (tmp_path / "out/README.md").read_text() == "# card\n"


@pytest.mark.parametrize("name", SMALL)
def test_an_n_is_read_as_by_us(name, tmp_path):
    one = small(name)
    export(one, tmp_path / "out", "")
    letters = "ACGTNACGTACGNNACGTAC"
    read = AutoTokenizer.from_pretrained(tmp_path / "out")(text_of(one, letters))
    assert read["input_ids"] == one.tokenizer.encode([letters])[0].tolist()


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_our_own_folders_are_opened_again(name, tmp_path):
    one = small(name)
    export(one, tmp_path / "out", "")
    again = published(str(tmp_path / "out"))
    assert again.tokenizer.encode([dna(100)]).tolist() == one.tokenizer.encode([dna(100)]).tolist()
    ids_BT = one.tokenizer.encode([dna(100)])
    assert torch.equal(again.model(ids_BT).logits, one.model(ids_BT).logits)


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_the_card_says_how_to_load(name, tmp_path, monkeypatch):
    one = small(name)
    card = card_of_published("owner/name", one)
    export(one, tmp_path / "path/to/this/folder", card)
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert ("trainers.models.alibi_bert" in code) == (name == "dnabert2_tiny")
    monkeypatch.chdir(tmp_path)
    found: dict[str, torch.Tensor] = {}
    exec(code, found)
    expected = one.model(one.tokenizer.encode(["ACGTTGCAACGTTGCA"])).logits
    torch.testing.assert_close(found["logits"], expected, rtol=0, atol=1e-6)


def test_what_lies_there_is_not_written_over(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes").write_text("mine")
    (tmp_path / "empty").mkdir()
    for name in ("full", "full/notes"):
        with pytest.raises(InputError, match=r"a model must go to a new or an empty folder, but .* is neither"):
            export(small("tiny"), tmp_path / name, "")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes"]
    export(small("tiny"), tmp_path / "empty", "")
    assert (tmp_path / "empty/config.json").exists()


def test_a_failed_export_leaves_nothing(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        export(small("tiny"), tmp_path / "out", "\ud800")
    assert list(tmp_path.iterdir()) == []
