"""Folders with the key names of published models, against transformers' forward passes or plain torch."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional
from transformers import BertConfig, BertForMaskedLM, EsmConfig, EsmForMaskedLM

from curricula import InputError
from tests.models import dna, tokenizer_of
from trainers.models.published import published
from trainers.tokens.blocks import BlockTokenizer
from trainers.tokens.kmers import KmerTokenizer

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
SEQUENCES = [dna(60), dna(25, 500_000)]  # of two lengths, so that one is padded
Tensors = dict[str, torch.Tensor]


def write(folder: Path, config: dict[str, Any], tensors: Tensors, files: dict[str, str]) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


def drawn(model: torch.nn.Module) -> Tensors:
    """Give every parameter, biases too, a value of its own; return those that are not tied to another."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def dnabert(folder: Path, k: int = 3) -> tuple[str, BertForMaskedLM]:
    """As the hub has it: old names of norms, a pooler, a second head, and settings of its authors' program."""
    tokenizer = KmerTokenizer(k)
    model = BertForMaskedLM(BertConfig(vocab_size=tokenizer.vocabulary_size, **SHAPE)).eval()
    tensors = drawn(model)
    for new, old in (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")):
        tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
    tensors["bert.pooler.dense.weight"] = torch.zeros(32, 32)
    tensors["cls.seq_relationship.bias"] = torch.zeros(2)
    tensors["bert.embeddings.position_ids"] = torch.arange(512)[None]
    config = {
        **model.config.to_dict(),
        "split": 10,
        "auto_map": {"AutoModel": "its.own_code"},
        "torch_dtype": "float16",
    }
    return write(folder, config, tensors, dict(tokenizer.files())), model


def nucleotide_transformer(folder: Path, **changes: Any) -> tuple[str, EsmForMaskedLM]:
    tokenizer = BlockTokenizer(6)
    config = EsmConfig(
        vocab_size=4105,
        mask_token_id=2,
        pad_token_id=1,
        max_position_embeddings=66,
        position_embedding_type="absolute",
        token_dropout=True,
        emb_layer_norm_before=False,
        tie_word_embeddings=False,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **SHAPE,
    )
    model = EsmForMaskedLM(config).eval()
    vocabulary = "\n".join([*tokenizer.vocabulary(), "<eos>", "<bos>"])  # two names that no DNA turns into
    place = write(folder, {**config.to_dict(), "model_type": "esm", **changes}, drawn(model), {"vocab.txt": vocabulary})
    return place, model


ALIBI = {
    "alibi_starting_size": 512,
    "model_type": "bert",
    "pad_token_id": 0,
    "vocab_size": 128,
    "layer_norm_eps": 1e-12,
}
BPE_FILES = dict(tokenizer_of("dnabert2_tiny").files())


def dnabert2_tensors() -> Tensors:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return 0.2 * torch.randn(shape, generator=generator)

    h, f, v = 32, 48, 128
    norm = {"weight": (h,), "bias": (h,)}
    layer = {
        "attention.self.Wqkv": {"weight": (3 * h, h), "bias": (3 * h,)},
        "attention.output.dense": {"weight": (h, h), "bias": (h,)},
        "attention.output.LayerNorm": norm,
        "mlp.gated_layers": {"weight": (2 * f, h)},
        "mlp.wo": {"weight": (h, f), "bias": (h,)},
        "mlp.layernorm": norm,
    }
    modules: dict[str, dict[str, tuple[int, ...]]] = {
        "bert.embeddings.word_embeddings": {"weight": (v, h)},
        "bert.embeddings.token_type_embeddings": {"weight": (2, h)},
        "bert.embeddings.LayerNorm": norm,
        **{f"bert.encoder.layer.{at}.{name}": shapes for at in range(2) for name, shapes in layer.items()},
        "bert.pooler.dense": {"weight": (h, h), "bias": (h,)},
        "cls.predictions.transform.dense": {"weight": (h, h), "bias": (h,)},
        "cls.predictions.transform.LayerNorm": norm,
        "cls.predictions.decoder": {"bias": (v,)},
    }
    return {f"{name}.{part}": draw(*shape) for name, shapes in modules.items() for part, shape in shapes.items()}


def dnabert2_logits(w: Tensors, ids_BT: torch.Tensor, real_BT: torch.Tensor) -> torch.Tensor:
    """The forward pass, written out for two heads of 16."""

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", torch.zeros(1))

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return (
            centred / (centred.square().mean(-1, keepdim=True) + 1e-12).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]
        )

    at_T = torch.arange(ids_BT.shape[1])
    distance_TT = (at_T[:, None] - at_T[None, :]).abs()
    x = w["bert.embeddings.word_embeddings.weight"][ids_BT] + w["bert.embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "bert.embeddings.LayerNorm")
    for at in range(2):
        name = f"bert.encoder.layer.{at}"
        query, key, value = linear(x, f"{name}.attention.self.Wqkv").split(32, dim=-1)
        mixed = []
        for head, slope in enumerate((2**-4, 2**-8)):
            own = slice(16 * head, 16 * (head + 1))
            score_BTT = query[..., own] @ key[..., own].transpose(1, 2) / math.sqrt(16) - slope * distance_TT
            score_BTT = score_BTT.masked_fill(~real_BT[:, None, :], -torch.inf)
            mixed.append(score_BTT.softmax(-1) @ value[..., own])
        attended = linear(torch.cat(mixed, -1), f"{name}.attention.output.dense")
        x = norm(attended + x, f"{name}.attention.output.LayerNorm")
        gated = linear(x, f"{name}.mlp.gated_layers")
        gate, passed = gated[..., :48], gated[..., 48:]
        x = norm(linear(functional.gelu(gate) * passed, f"{name}.mlp.wo") + x, f"{name}.mlp.layernorm")
    x = functional.gelu(linear(x, "cls.predictions.transform.dense"))
    x = norm(x, "cls.predictions.transform.LayerNorm")
    return x @ w["bert.embeddings.word_embeddings.weight"].T + w["cls.predictions.decoder.bias"]


@torch.no_grad()
def assert_answers_as(reference: Any, place: str) -> None:
    """Compare logits at real tokens, one of them masked."""
    found = published(place)
    ids_BT = found.tokenizer.encode(SEQUENCES)
    ids_BT[0, 4] = found.tokenizer.specials.mask
    real_BT = ids_BT != found.tokenizer.specials.pad
    assert not real_BT.all()
    logits_BTV = found.model(ids_BT, attention_mask=real_BT.long()).logits
    torch.testing.assert_close(logits_BTV[real_BT], reference(ids_BT, real_BT)[real_BT], rtol=0, atol=1e-5)


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_dnabert(tmp_path, k):
    place, model = dnabert(tmp_path, k)
    assert published(place).tokenizer == KmerTokenizer(k)
    assert_answers_as(lambda ids_BT, real_BT: model(ids_BT, attention_mask=real_BT.long()).logits, place)


def test_the_nucleotide_transformer(tmp_path):
    place, model = nucleotide_transformer(tmp_path)
    assert published(place).tokenizer == BlockTokenizer(6)
    assert_answers_as(lambda ids_BT, real_BT: model(ids_BT, attention_mask=real_BT.long()).logits, place)


@pytest.mark.parametrize("is_tied_twice", [False, True])
def test_dnabert_2(tmp_path, is_tied_twice):
    tensors = dnabert2_tensors()
    written = dict(tensors)
    if is_tied_twice:
        written["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].clone()
    place = write(tmp_path, {**SHAPE, **ALIBI}, written, BPE_FILES)
    assert published(place).tokenizer == tokenizer_of("dnabert2_tiny")
    assert_answers_as(lambda ids_BT, real_BT: dnabert2_logits(tensors, ids_BT, real_BT), place)


def test_weights_in_several_files_and_in_half_precision_are_read(tmp_path):
    place, model = dnabert(tmp_path)
    expected = {name: value.half().float() for name, value in model.named_parameters()}
    tensors = list(expected.items())
    for number, part in enumerate((tensors[:9], tensors[9:]), start=1):
        halves = {name: value.detach().half() for name, value in part}
        save_file(halves, tmp_path / f"model-0000{number}-of-00002.safetensors")
    (tmp_path / "model.safetensors").unlink()
    found = published(place).model
    for name, value in expected.items():
        assert found.get_parameter(name).dtype == torch.float32
        assert torch.equal(found.get_parameter(name), value), name


def changed_config(**changes: Any) -> Any:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def changed_tensors(**changes: torch.Tensor | None) -> Any:
    def change(folder: Path) -> None:
        tensors = {name: value for name, value in dnabert2_tensors().items() if name not in changes}
        new = {name: value for name, value in changes.items() if value is not None}
        save_file({**tensors, **new}, folder / "model.safetensors")

    return change


def unpickled_only(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"never read")


DECODER = "cls.predictions.decoder"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unpickled_only, r"has none; nothing is unpickled.*spaces/safetensors/convert"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no"), "the weights .* cannot be read"),
        (changed_tensors(**{f"{DECODER}.bias": None}), f"must have the tensor `{DECODER}.bias`, but .* lacks it"),
        (
            changed_tensors(**{f"{DECODER}.bias": torch.zeros(7)}),
            rf"the tensor `{DECODER}.bias` must have shape \(128,\), but got \(7,\)",
        ),
        (
            changed_tensors(**{f"{DECODER}.weight": torch.zeros(128, 32)}),
            f"`{DECODER}.weight` and `bert.embeddings.word_embeddings.weight` must be the same tensor",
        ),
        (changed_tensors(**{"classifier.bias": torch.zeros(2)}), "must have no tensor `classifier.bias`"),
        (changed_config(model_type="gpt2"), "`model_type` must be one of bert, esm, .* but got gpt2"),
        (changed_config(hidden_act="relu"), "feed-forward blocks of DNABERT-2 must have GELU, but got relu"),
        (changed_config(vocab_size=129), "config.json must have the vocabulary's vocab_size 128, but got 129"),
        (changed_config(hidden_size="wide"), "config.json must describe a alibi_bert model"),
        (lambda folder: (folder / "config.json").unlink(), "config.json must be a JSON file, but it cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json must hold a JSON object, .* a list"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "or byte pairs, but .* has 0 tokens"),
        (lambda folder: (folder / "tokenizer.json").write_text('{"model": {"vocab": 3}}'), "cannot be read"),
        (lambda folder: (folder / "tokenizer.json").write_text('{"model": {"type": "BPE"}}'), "with a BPE model, but"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_not_that_model_is_refused(tmp_path, change, message):
    place = write(tmp_path, {**SHAPE, **ALIBI}, dnabert2_tensors(), BPE_FILES)
    change(tmp_path)
    with pytest.raises(InputError, match=message):
        published(place)


def test_k_mers_in_another_order_are_refused(tmp_path):
    place, _ = dnabert(tmp_path)
    words = KmerTokenizer(3).vocabulary()
    (tmp_path / "vocab.txt").write_text("\n".join([*words[:5], *sorted(words[5:])]))
    with pytest.raises(InputError, match=r"in their order .* has 69 tokens: \[PAD\] \[UNK\] .* AAA AAC"):
        published(place)


@pytest.mark.parametrize(
    "change",
    [
        {"position_embedding_type": "rotary"},
        {"add_bias_fnn": False},
        {"auto_map": {"AutoModelForMaskedLM": "modeling_esm.EsmForMaskedLM"}},
    ],
)
def test_the_second_version_of_the_nucleotide_transformer_is_refused(tmp_path, change):
    place, _ = nucleotide_transformer(tmp_path, **change)
    with pytest.raises(InputError, match="the second has rotary positions, gated blocks and code of its own"):
        published(place)


def test_padding_of_another_number_is_refused(tmp_path):
    place, _ = nucleotide_transformer(tmp_path, pad_token_id=0)
    with pytest.raises(InputError, match="must have the vocabulary's pad_token_id 1, but got 0"):
        published(place)


def test_a_place_that_is_neither_folder_nor_name_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("no such place", str(tmp_path / "file"), "/no/such/folder"):
        with pytest.raises(InputError, match="a model must be a folder or a hub name like owner/name, but got"):
            published(place)
