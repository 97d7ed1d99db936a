"""From sequence files to a corpus and back: every form, every oddity, and interruptions at any moment."""

import gzip
import os
import random
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curricula import InputError
from tests import sequence_files
from tests.dna import random_letters
from trainers.genome import streams, twobit
from trainers.genome.corpus import Corpus
from trainers.genome.ingest import cached, ingest
from trainers.genome.twobit import TwoBit
from trainers.prepare.__main__ import main

CONTIGS = {"chr1": random_letters(3000, seed=1) + "N" * 70 + "acgtnacgt" * 9, "empty": "", "chrM": "GATTACA"}


def back(path: Path) -> dict[str, str]:
    """The contigs of a corpus by name."""
    corpus = Corpus.open(path)
    return {c.name: corpus.letters(c.start, c.start + c.length).decode() for c in corpus.contigs}


def normal_form(letters: str) -> str:
    return re.sub("[^ACGTacgt]", "N", letters)


@pytest.fixture(scope="module")
def forms(tmp_path_factory) -> dict[str, Path]:
    return sequence_files.every_form(tmp_path_factory.mktemp("forms"), CONTIGS)


@pytest.mark.parametrize(
    "form",
    ["plain.fa", "plain.fa.gz", "blocks.fa.gz", "plain.fa.zst", "plain.fa.bz2", "little.2bit", "big.2bit", "long.2bit"],
)
def test_every_form_gives_the_same_corpus(forms, form, tmp_path):
    seen: list[tuple[int, int | None]] = []
    card = ingest([forms[form]], tmp_path / "c.arrow", {"source": form}, on_progress=lambda *told: seen.append(told))
    assert back(tmp_path / "c.arrow") == {name: normal_form(letters) for name, letters in CONTIGS.items()}
    plain = ingest([forms["plain.fa"]], tmp_path / "plain.arrow", {"source": form})
    assert {**card, "files": None} == {**plain, "files": None}
    assert card["files"] == {form: forms[form].stat().st_size}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (forms[form].stat().st_size,) * 2


@given(
    contigs=st.lists(st.text("ACGTNacgtnRYSWKMBDHVUrymk", max_size=70), min_size=1, max_size=5),
    width=st.integers(1, 80),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    has_last_end=st.booleans(),
    has_blanks=st.booleans(),
    chunk=st.integers(1, 50),
)
def test_any_fasta_comes_back_in_its_normal_form(
    tmp_path_factory, contigs, width, end, has_last_end, has_blanks, chunk
):
    assume(set("".join(contigs).upper()) & set("ACGT"))
    named = {f"c{number}": letters for number, letters in enumerate(contigs)}
    content = sequence_files.fasta(named, width, end)
    if not has_last_end:
        content = content.removesuffix(end.encode())
    if has_blanks:
        content = content.replace(end.encode(), b" \t" + end.encode() * 2)
    folder = tmp_path_factory.mktemp("round")
    (folder / "in.fa").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "CHUNK", chunk)
        ingest([folder / "in.fa"], folder / "c.arrow", {"source": "hypothesis"})
    normal = {name: normal_form(letters) for name, letters in named.items()}
    assert back(folder / "c.arrow") == normal
    assert main(["fasta", str(folder / "c.arrow"), "--out", str(folder / "out.fa"), "--width", str(width)]) == 0
    assert (folder / "out.fa").read_bytes() == sequence_files.fasta(normal, width)


@given(
    letters=st.text("ACGTNacgtn", min_size=1, max_size=90),
    at_once=st.sampled_from([4, 8, 24]),
    order=st.sampled_from("<>"),
)
def test_any_two_bit_file_comes_back(tmp_path_factory, letters, at_once, order):
    path = tmp_path_factory.mktemp("twobit") / "g.2bit"
    path.write_bytes(sequence_files.two_bit({"a": letters, "b": "", "c": letters[::-1]}, order))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twobit, "_AT_ONCE", at_once)
        found: dict[str, str] = {}
        for piece in TwoBit(path).pieces():
            found[piece.contig] = found.get(piece.contig, "") + piece.letters.decode()
    assert found == {"a": letters, "b": "", "c": letters[::-1]}


def test_the_real_slice_comes_back(shared, tmp_path):
    source = shared / "data/demo/chr22_20-21M.fa.gz"
    ingest([source], tmp_path / "c.arrow", {"source": "real"})
    assert main(["fasta", str(tmp_path / "c.arrow"), "--out", str(tmp_path / "out.fa")]) == 0
    assert (tmp_path / "out.fa").read_bytes() == gzip.decompress(source.read_bytes()).upper()


def test_several_files_and_chosen_contigs(tmp_path):
    (tmp_path / "one.fa").write_bytes(sequence_files.fasta({"chr1": "ACGT" * 30, "chrUn_1": "GG"}))
    (tmp_path / "two.fa").write_bytes(sequence_files.fasta({"chr2": "TTTT", "chrX": "CC", "chr10": "AA"}))
    files = [tmp_path / "one.fa", tmp_path / "two.fa"]
    card = ingest(files, tmp_path / "c.arrow", {"source": "two"}, contigs=["chr[0-9]", "chrX"])
    assert list(card["contigs"]) == ["chr1", "chr2", "chrX"]
    assert card["files"] == {"one.fa": files[0].stat().st_size, "two.fa": files[1].stat().st_size}
    for patterns, wrong, hint in ((["chr1", "chrY"], "chrY", "did you mean `chrX`"), (["20"], "20", "known: chr1")):
        with pytest.raises(InputError, match=rf"`--contigs {wrong}` must fit a contig, but none does.*{hint}"):
            ingest(files, tmp_path / "other.arrow", {"source": "two"}, contigs=patterns)
    assert not (tmp_path / "other.arrow").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b">c1\nA\n>c2\nC\n>c1 again\nG\n", r"`c1` occurs twice, the second time at .*bad:5"),
        (b">c1\nACGT\nAC\n>c2\n\nAC-GT\n", r"nucleotide letters only, but .*bad:6 has '-'"),
        (b">c1\nNNNN\n", "a corpus must hold A, C, G or T, but bad has none"),
        (b"", "bad is empty"),
        (sequence_files.two_bit({"a": "ACGT" * 9})[:-3], r"the \.2bit file .*bad is truncated: it ends at byte"),
        (sequence_files.two_bit({"a": "ACGT"})[:18], r"bad is truncated"),
        (sequence_files.two_bit({"a": "ACGT"})[:9], r"bad is truncated"),
        (sequence_files.two_bit({"a": "ACGT"}, version=2), "must be of version 0 or 1, but .* is of version 2"),
        (sequence_files.zstd(b">c1\n" + b"ACGT" * 99)[:-4], "the zstd file .*bad is truncated or damaged"),
        (sequence_files.bgzip(b">c1\n" + b"ACGT" * 999)[:-40], "the gzip file .*bad is truncated or damaged"),
    ],
)
def test_what_is_no_genome_is_refused_and_leaves_nothing(tmp_path, content, message):
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(InputError, match=message):
        ingest([tmp_path / "bad"], tmp_path / "out" / "c.arrow", {"source": "bad"})
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"the sequence file .*none\.fa cannot be read: No such file"):
        ingest([tmp_path / "none.fa"], tmp_path / "c.arrow", {"source": "x"})
    with pytest.raises(InputError, match=r"the sequence file .*none\.fa cannot be read: No such file"):
        cached(str(tmp_path / "none.fa"))


def test_a_file_is_prepared_once_until_it_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("CURRICULUM_STUDY_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "g.fa"
    path.write_text(">c1\nACGT\n")
    first = cached(str(path))
    made = first.stat().st_mtime_ns
    assert cached(str(path)) == first
    assert first.stat().st_mtime_ns == made
    path.write_text(">c1\nACGTA\n")
    assert back(cached(str(path))) == {"c1": "ACGTA"}


WORK = """
import sys
from pathlib import Path
from trainers.genome.ingest import ingest
source, out = map(Path, sys.argv[1:])
print("ready", flush=True)
ingest([source], out, {"source": "killed"})
"""


def test_killed_at_any_moment_no_half_made_corpus_is_left_to_be_taken(tmp_path):
    source, out = tmp_path / "g.fa", tmp_path / "out" / "g.arrow"
    source.write_bytes(sequence_files.fasta({"c1": random_letters(1000) * 12_000}))
    whole = ingest([source], tmp_path / "whole.arrow", {"source": "killed"})
    started = time.perf_counter()
    ingest([source], tmp_path / "whole.arrow", {"source": "killed"})
    duration = time.perf_counter() - started
    generator = random.Random(0)
    ended = 0
    for _ in range(20):
        worker = subprocess.Popen([sys.executable, "-c", WORK, source, out], stdout=subprocess.PIPE)
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
            time.sleep(generator.uniform(0, 1.3 * duration))
        finally:
            worker.kill()
            worker.wait(timeout=30)
            worker.stdout.close()
        if out.exists():
            ended += 1
            assert Corpus.open(out).card == whole
            assert out.read_bytes() == (tmp_path / "whole.arrow").read_bytes()
            out.unlink()
        for left in out.parent.glob(".*") if out.parent.exists() else []:
            with pytest.raises(InputError, match="is not a saved corpus"):
                Corpus.open(left)
    assert ended < 20
    ingest([source], out, {"source": "killed"})
    assert [path.name for path in out.parent.iterdir()] == ["g.arrow"]  # and what was left half-made is gone


def prepare(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainers.prepare", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)  # type: ignore[call-overload]


@pytest.fixture
def big(tmp_path) -> Path:
    path = tmp_path / "big.fa"
    path.write_bytes(sequence_files.fasta({"c1": random_letters(1000) * 4000}))
    return path


def test_a_full_disk_is_said_and_leaves_nothing(big, tmp_path):
    out = tmp_path / "full"
    out.mkdir()
    mount = f"mount -t tmpfs -o size=256k none {out}"
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "sh", "-c", mount], check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    work = f"{mount}; {sys.executable} -m trainers.prepare genome {big} --out {out}; echo left: $(ls -A {out})"
    command = ["unshare", "-m", "sh", "-c", work]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert re.search(r"error: .* cannot be written: No space left on device", done.stderr), done
    assert done.stdout == "left:\n"


def test_a_file_size_limit_is_said_and_leaves_nothing(big, tmp_path):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = prepare("genome", big, "--out", tmp_path / "out", preexec_fn=limit)
    assert done.returncode == 2
    assert re.search(r"^error: .* cannot be written: File too large$", done.stderr.strip()), done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(big, tmp_path):
    locked = Path("/sys/curriculum-study") if os.geteuid() == 0 else tmp_path / "locked" / "out"
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
    done = prepare("genome", big, "--out", locked)
    assert done.returncode == 2
    assert re.search(r"^error: .* cannot be written: .*ermi", done.stderr.strip()), done.stderr
