"""`python -m trainers.prepare genome`, and what can be done with its corpus: npmi, leaks, fasta, card."""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import sequence_files
from tests.dna import random_letters
from tests.web import serving
from trainers import downloads
from trainers.genome.corpus import Corpus
from trainers.masking.difficulty import Difficulty
from trainers.prepare.__main__ import main
from trainers.settings import NpmiFormula

CONTIGS = {"chr1": random_letters(2500, seed=1) + "NNN" + random_letters(900, seed=2).lower(), "chrM": "GATTACA" * 9}


@pytest.fixture
def fasta(tmp_path) -> Path:
    path = tmp_path / "small.fa.gz"
    path.write_bytes(sequence_files.bgzip(sequence_files.fasta(CONTIGS)))
    return path


@pytest.fixture
def corpus(fasta, tmp_path) -> Path:
    assert main(["genome", str(fasta), "--out", str(tmp_path / "genomes")]) == 0
    return tmp_path / "genomes" / "small.arrow"


def test_it_says_what_it_found_and_how_to_use_it(fasta, tmp_path, capsys):
    assert main(["genome", str(fasta), "--out", str(tmp_path), "--repeats", "exclude"]) == 0
    printed = capsys.readouterr().out
    assert "2 contigs, 3,463 bases A C G T (" in printed
    assert "3 N, 26.0% soft-masked (exclude)" in printed
    assert f"--set data.genome={tmp_path}/small.arrow" in printed
    assert Corpus.open(tmp_path / "small.arrow").card["source"] == str(fasta)


def test_again_is_quick_and_something_else_is_refused(corpus, fasta, tmp_path, capsys):
    made = corpus.stat().st_mtime_ns
    arguments = ["genome", str(fasta), "--out", str(tmp_path / "genomes")]
    assert main(arguments) == 0
    assert "small.arrow is there already, made of the same files" in capsys.readouterr().out
    assert main([*arguments, "--contigs", "chrM"]) == 2
    said = capsys.readouterr().err
    assert "small.arrow is there already, with chosen_contigs [] instead of ['chrM']; give another --name" in said
    assert corpus.stat().st_mtime_ns == made
    assert main([*arguments, "--contigs", "chrM", "--name", "mito"]) == 0
    assert list(Corpus.open(tmp_path / "genomes/mito.arrow").card["contigs"]) == ["chrM"]


@pytest.mark.parametrize(
    ("assembly", "path", "listing", "content"),
    [
        ("hg38", "/goldenPath/hg38/bigZips/hg38.2bit", "md5sum.txt", sequence_files.two_bit(CONTIGS)),
        (
            "GRCh38.p13",
            "/genomes/all/GCF/000/001/405/GCF_000001405.39_GRCh38.p13/GCF_000001405.39_GRCh38.p13_genomic.fna.gz",
            "md5checksums.txt",
            sequence_files.bgzip(sequence_files.fasta(CONTIGS)),
        ),
    ],
)
def test_an_assembly_is_downloaded_checked_and_prepared(assembly, path, listing, content, tmp_path):
    folder, _, name = path.rpartition("/")
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    files = {path: content, f"{folder}/{listing}": f"{md5}  ./{name}\n".encode()}
    with serving(files) as site:
        assert main(["genome", "--assembly", assembly, "--mirror", site.url(""), "--out", str(tmp_path)]) == 0
    corpus = Corpus.open(tmp_path / f"{assembly}.arrow")
    assert corpus.letters(0, corpus.length).decode() == "".join(CONTIGS.values())
    assert corpus.card["url"].endswith(path)
    assert list(corpus.card["files"]) == [name]


def test_without_a_network_it_says_what_to_do_by_hand(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(downloads, "BACKOFF_SECONDS", 0.01)
    with serving({}) as site:
        url = site.url("")
    assert main(["genome", "--assembly", "hg38", "--mirror", url, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "hg38" in said
    assert "curl" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name either sequence files or --assembly, and not both"),
        (["a.fa", "--assembly", "hg38"], "name either sequence files or --assembly, and not both"),
        (["none.fa"], "the sequence file none.fa cannot be read: No such file or directory"),
    ],
)
def test_wrong_input_is_one_line(arguments, message, tmp_path, capsys):
    assert main(["genome", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not (tmp_path / "out").exists()


def test_an_npmi_table_is_of_its_corpus_and_formula(corpus, tmp_path, capsys):
    out = tmp_path / "table.parquet"
    assert (
        main(["npmi", str(corpus), "--k", "2", "--out", str(out), "--minimum-count", "5", "--repeats", "exclude"]) == 0
    )
    printed = capsys.readouterr().out
    assert "2,561 k-mers counted; best" in printed  # 2499 of chr1 before N, none of its masked part, 62 of chrM
    opened = Corpus.open(corpus)
    formula = NpmiFormula(minimum_count=5, repeats="exclude")
    table = Difficulty.open(out, 2, opened.card["sha256"], formula)
    assert table.npmi.tolist() == Difficulty.of(opened, 2, formula).npmi.tolist()
    halved = Difficulty.of(opened, 2, NpmiFormula(repeats="downweight"))
    every = Difficulty.of(opened, 2)
    assert halved.counts.tolist() == (every.counts + table.counts).tolist()


def test_leaks_are_counted_for_every_task_of_a_folder(corpus, tmp_path, capsys):
    opened = Corpus.open(corpus)
    leaked = [opened.letters(start, start + 60).decode() for start in range(0, 500, 50)]
    clean = [random_letters(60, seed=number + 100) for number in range(5)]
    folder = tmp_path / "tasks" / "own" / "some"
    folder.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        rows = [f"{letters},{number % 2}" for number, letters in enumerate(leaked + clean)]
        (folder / f"{split}.csv").write_text("\n".join(["sequence,label", *rows, ""]))
    out = tmp_path / "leaks.json"
    arguments = ["leaks", str(corpus), "--tasks", str(tmp_path / "tasks")]
    assert main([*arguments, "--out", str(out)]) == 0
    assert "own/some" in capsys.readouterr().out
    told = json.loads(out.read_text())
    assert told["leaks"]["tasks"]["own/some"] == {"windows": 15, "too_short": 0, "ambiguous": 0, "found": 10}
    assert told["corpus"] == opened.card
    assert main([*arguments, "--block", "250", "--margin", "0", "--validation-share", "0.9", "--out", str(out)]) == 0
    assert 0 < json.loads(out.read_text())["leaks"]["tasks"]["own/some"]["found"] < 10
    assert main(["leaks", str(corpus), "--tasks", str(tmp_path / "genomes")]) == 2
    assert "a folder of tasks must hold <task>/{train,dev,test}.csv or .parquet, but" in capsys.readouterr().err


def test_a_corpus_goes_back_to_lines_of_any_width(corpus, tmp_path):
    normal = CONTIGS
    for width in (0, 7, 60):
        assert main(["fasta", str(corpus), "--out", str(tmp_path / "back.fa"), "--width", str(width)]) == 0
        assert (tmp_path / "back.fa").read_bytes() == sequence_files.fasta(normal, width or 10_000)


def test_a_card_is_printed_for_whatever_was_prepared(corpus, tmp_path, capsys):
    assert main(["card", str(corpus)]) == 0
    assert json.loads(capsys.readouterr().out) == Corpus.open(corpus).card
    table = tmp_path / "table.parquet"
    main(["npmi", str(corpus), "--k", "2", "--out", str(table)])
    capsys.readouterr()
    assert main(["card", str(table)]) == 0
    assert json.loads(capsys.readouterr().out)["k"] == 2
    for name in ("card.json", "provenance.json"):
        folder = tmp_path / "GUE" / "tf" / name.partition(".")[0]
        folder.mkdir(parents=True)
        (folder / name).write_text('{"source": "by hand"}')
        assert main(["card", str(folder)]) == 0
        assert json.loads(capsys.readouterr().out) == {"source": "by hand"}
    assert main(["card", str(tmp_path / "GUE")]) == 0
    assert json.loads(capsys.readouterr().out) == {"tf/card": {"source": "by hand"}}


@pytest.mark.parametrize("name", ["nothing", "text.txt", "plain.parquet", "folder"])
def test_what_has_no_card_is_refused(name, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "plain.parquet")
    assert main(["card", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert name in said
    assert said.count("\n") == 1
