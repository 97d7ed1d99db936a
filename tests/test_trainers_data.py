"""From a genome to what a run reads."""

import dataclasses
import json
import math

import pytest
import torch

from curricula import InputError
from study import runs
from study.spec.study import StudySpec
from tests import bpe
from tests.dna import random_letters
from tests.runs import DATA
from trainers import data
from trainers.genome.intervals import total
from trainers.genome.sampling import Sampler
from trainers.genome.windows import Windows
from trainers.masking.difficulty import Difficulty
from trainers.settings import PUBLISHED, NpmiFormula, Sampling
from trainers.tokens.kmers import KmerTokenizer


@pytest.mark.parametrize(
    "change",
    [
        {"block": 10_000},
        {"validation_share": 0.2},
        {"validation_rows": 16},
        {"seed": 1},
        {"margin": 100},
        {"validation_contigs": ("22*",)},
        {"sampling": Sampling("mixed", 20)},
        {"sampling": Sampling(reverse_complement=True)},
        {"repeats": "exclude"},
    ],
)
def test_a_corpus_that_is_divided_or_read_otherwise_has_another_identity(change, genome, prepared, tmp_path):
    # A checkpoint must not go on with blocks in its training that it was validated on.
    other = dataclasses.replace(DATA, **change)
    if "validation_contigs" in change:
        with pytest.raises(InputError, match="the longest stretch of embedded chr22_20-21M has 0"):
            data.load(other, prepared)
        return
    data.prepare(genome, other, tmp_path)
    assert data.load(other, tmp_path)[1] != data.load(DATA, prepared)[1]


def test_excluded_stretches_change_the_identity_and_the_samples(genome, prepared, tmp_path):
    training, _ = data.divided(genome, DATA)
    excluded = training[:-1]
    data.prepare(genome, DATA, tmp_path, excluded)
    loaded, identity = data.load(DATA, tmp_path)
    assert identity != data.load(DATA, prepared)[1]
    assert len(loaded.training.windows) == total(training[-1:]) - 24


def test_a_run_loads_what_was_prepared(genome, prepared):
    loaded, _ = data.load(DATA, prepared)
    training, validation = data.windows(genome, DATA)
    assert loaded.validation_rows == 32
    assert loaded.difficulty.npmi.tolist() == Difficulty.of(genome, 2).npmi.tolist()
    assert isinstance(loaded.training, Sampler)
    assert isinstance(loaded.validation, Windows)
    samples_B = torch.arange(20)
    found, expected = (sampler.sample(1, samples_B) for sampler in (loaded.training, training))
    assert found.bases_BL.shape == (20, 25)  # 24 2-mers
    assert torch.equal(found.bases_BL, expected.bases_BL)
    assert torch.equal(loaded.validation.sample(1, samples_B), validation.sample(1, samples_B))


def test_provenance_lies_beside_the_data(genome, prepared):
    cards = json.loads((prepared / "provenance.json").read_text())
    assert cards["corpus"] == genome.card
    assert cards["difficulty"]["corpus_sha256"] == genome.card["sha256"]
    assert cards["unigram_loss"] == data.unigram_loss(data.load(DATA, prepared)[0])


def test_guessing_from_frequencies_is_better_than_chance_and_not_much(prepared):
    guess = data.unigram_loss(data.load(DATA, prepared)[0])
    assert 0.9 * math.log(16) < guess < math.log(16)


WHOLE = ["blocks", "bpe"]


@pytest.fixture(scope="module", params=WHOLE)
def whole(request, genome, tmp_path_factory):
    """Settings with other tokens than overlapping k-mers, and a folder prepared for them."""
    folder, other = tmp_path_factory.mktemp(request.param), dataclasses.replace(DATA, tokens=request.param)
    data.prepare(genome, other, folder)
    return other, folder


def test_a_run_reads_the_tokens_that_it_asks_for(whole, prepared):
    settings, folder = whole
    loaded, identity = data.load(settings, folder)
    plain, plain_identity = data.load(DATA, prepared)
    assert (loaded.tokenizer.kind, plain.tokenizer) == (settings.tokens, KmerTokenizer(2))
    assert identity != plain_identity
    samples_B = torch.arange(4)
    assert torch.equal(loaded.validation.sample(1, samples_B), plain.validation.sample(1, samples_B))
    assert (folder / "tokenizer.json").exists() == (settings.tokens == "bpe")


def test_guessing_whole_tokens_from_their_frequencies(whole):
    loaded, _ = data.load(*whole)
    guess = data.unigram_loss(loaded)
    counts = {}
    for row in loaded.training.windows.spread(3000, phase=0.3):
        for token in loaded.tokenizer.tokens(row[None]).ids_BT[0].tolist():
            counts[token] = counts.get(token, 0) + 1
    share = [count / sum(counts.values()) for count in counts.values()]
    entropy = -sum(p * math.log(p) for p in share)
    assert guess == pytest.approx(entropy, rel=0.15)  # masks do not prefer tokens much
    assert json.loads((whole[1] / "provenance.json").read_text())["unigram_loss"] == guess


def test_the_same_windows_teach_the_same_bpe_and_another_file_is_another_identity(whole, genome, tmp_path):
    settings, folder = whole
    loaded, identity = data.load(settings, folder)
    by_hand = bpe.by_hand("A C", "T T")
    by_hand.save(tmp_path / "tokenizer.json")
    data.prepare(genome, settings, tmp_path)
    own, own_identity = data.load(settings, tmp_path)
    if settings.tokens == "blocks":  # a file that is not read makes no difference
        assert (own.tokenizer, own_identity) == (loaded.tokenizer, identity)
        return
    assert loaded.tokenizer == data.trained_on(loaded.training.windows)
    assert loaded.tokenizer.vocabulary_size == 4096
    assert own.tokenizer == by_hand
    assert own_identity != identity


def test_a_damaged_tokenizer_is_refused(genome, tmp_path):
    settings = dataclasses.replace(DATA, tokens="bpe")
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match=r"must be a tokenizer\.json with a BPE model, but .*tokenizer\.json is not"):
        data.prepare(genome, settings, tmp_path)


def test_the_identity_of_overlapping_kmers_is_what_it_was_before_there_were_others(prepared):
    assert data.load(DATA, prepared)[1] == "ceb81e81cf123fe2e60adf21dde2cdc20404c4b688bfbb50d4344dc11f0799a6"


def test_the_preset_of_a_spec_decides_about_tokens():
    sections = {"name": "s", "curricula": {}, "evaluation": {"tasks": [{"name": "splice_junctions"}]}}
    pretraining = {"budgets": [10], "warmup": 1}
    for preset, tokens in (("tiny", "overlapping"), ("nt_tiny", "blocks"), ("dnabert2_tiny", "bpe")):
        spec = StudySpec.model_validate({**sections, "pretraining": pretraining, "model": {"preset": preset}})
        assert runs.data_settings(spec).tokens == tokens


def test_preparing_again_changes_nothing(genome, prepared):
    before = {path.name: path.read_bytes() for path in prepared.iterdir()}
    data.prepare(genome, DATA, prepared)
    assert {path.name: path.read_bytes() for path in prepared.iterdir()} == before


def test_a_fasta_file_is_a_genome_too(tmp_path):
    path = tmp_path / "small.fa"
    path.write_text(">c1\nACGTN\n>c2\nGG\n")
    corpus = data.open_genome(str(path))
    assert corpus.card["source"] == str(path)
    assert corpus.card["contigs"] == {"c1": 5, "c2": 2}
    assert data.open_genome(data.EMBEDDED).card["source"] == "embedded chr22_20-21M"


def test_a_missing_genome_is_refused():
    with pytest.raises(InputError, match=r"/no/such\.fa cannot be read"):
        data.open_genome("/no/such.fa")


def test_a_folder_prepared_for_another_genome_is_refused(tmp_path, genome):
    path = tmp_path / "other.fa"
    path.write_text(">c1\n" + random_letters(60_000))
    data.prepare(data.open_genome(str(path)), dataclasses.replace(DATA, genome=str(path)), tmp_path)
    with pytest.raises(InputError, match="holds the corpus of another genome than embedded"):
        data.prepare(genome, DATA, tmp_path)


@pytest.mark.parametrize(
    ("formula", "difference"),
    [
        (NpmiFormula(parts="pairs"), "has parts=all, while this run has parts=pairs"),
        (NpmiFormula(strands="both"), "has strands=forward, while this run has strands=both"),
        (NpmiFormula(minimum_count=7), "has minimum_count=101, while this run has minimum_count=7"),
    ],
)
def test_a_folder_prepared_with_another_formula_is_refused(genome, prepared, formula, difference):
    other = dataclasses.replace(DATA, npmi=formula)
    with pytest.raises(InputError, match=rf"difficulty\.parquet {difference}; use another folder"):
        data.prepare(genome, other, prepared)
    with pytest.raises(InputError, match=difference):
        data.load(other, prepared)


def test_a_run_reads_difficulties_of_the_formula_it_asks_for(genome, tmp_path):
    formula = NpmiFormula("naive", "both", 7)
    asked = dataclasses.replace(DATA, npmi=formula)
    data.prepare(genome, asked, tmp_path)
    found = data.load(asked, tmp_path)[0].difficulty
    assert found.npmi.tolist() == Difficulty.of(genome, 2, formula).npmi.tolist()
    card = json.loads((tmp_path / "provenance.json").read_text())["difficulty"]
    assert [card[name] for name in ("parts", "strands", "minimum_count")] == ["naive", "both", 7]


def test_the_formula_of_a_spec_reaches_data_and_settings():
    content = {"budgets": [10], "warmup": 1}, {"tasks": [{"name": "splice_junctions"}]}
    sections = {"name": "s", "pretraining": content[0], "curricula": {}, "evaluation": content[1]}
    plain = StudySpec.model_validate(sections)
    assert runs.data_settings(plain).npmi == PUBLISHED
    npmi = {"parts": "pairs", "strands": "both", "minimum_count": 9}
    spec = StudySpec.model_validate({**sections, "data": {"npmi": npmi}})
    assert runs.data_settings(spec).npmi == NpmiFormula(**npmi)
    run = runs.default_run(spec, "constant", "control")
    changed, unchanged = (run.settings(each, 10, "0" * 64) for each in (spec, plain))
    assert changed.npmi == NpmiFormula(**npmi)
    assert changed.fingerprint() != unchanged.fingerprint()


def test_a_genome_without_room_for_a_window_is_refused(tmp_path):
    path = tmp_path / "short.fa"
    path.write_text(">c1\n" + "ACGT" * 100)
    small = dataclasses.replace(DATA, genome=str(path), length=24, block=20)
    with pytest.raises(InputError, match="a validation window of 25 bases must fit"):
        data.prepare(data.open_genome(str(path)), small, tmp_path)
