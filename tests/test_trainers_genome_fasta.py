"""FASTA files as people have them."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curricula import InputError
from trainers.genome import bases, streams
from trainers.genome.fasta import read_fasta
from trainers.genome.streams import Stream


def read(path) -> dict[str, str]:
    """Contigs of a file by name, in normal form."""
    letters: dict[str, bytes] = {}
    for piece in read_fasta(Stream(path)):
        if bases.NO_LETTER in piece.letters.translate(bases.NORMAL):
            raise piece.refusal()
        letters[piece.contig] = letters.get(piece.contig, b"") + piece.letters.translate(bases.NORMAL)
    return {name: found.decode() for name, found in letters.items()}


@pytest.mark.parametrize(
    ("text", "contigs"),
    [
        (">old mac\rAC\rGT\r>c2\rTT", {"old": "ACGT", "c2": "TT"}),
        (">c1\nACGT\n", {"c1": "ACGT"}),
        (">c1\nACGT", {"c1": "ACGT"}),
        (">c1 Homo sapiens\tprimary\nAC\nGT\n\n>c2\nTT\n", {"c1": "ACGT", "c2": "TT"}),
        (">c1\r\nACGT\r\nAC\r\n>c2\r\nG\r\n", {"c1": "ACGTAC", "c2": "G"}),
        (">soft-masked\nacgtNNnnACGT\n", {"soft-masked": "ACGTNNNNACGT"}),
        (">iupac\nARYSWKMBDHVUT\n", {"iupac": "ANNNNNNNNNNNT"}),
        (">blanks\nAC GT\t\n  A\n", {"blanks": "ACGTA"}),
        (">a>b\nAC\n", {"a>b": "AC"}),
        (">empty\n>full\nACGT\n", {"empty": "", "full": "ACGT"}),
        (">\nAC\n> \nGT\n", {"unnamed_line_1": "AC", "unnamed_line_3": "GT"}),
    ],
)
def test_contigs_and_letters(tmp_path, text, contigs):
    plain, compressed = tmp_path / "plain.fa", tmp_path / "compressed.fa.gz"
    plain.write_bytes(text.encode())
    compressed.write_bytes(gzip.compress(text.encode()))
    assert read(plain) == read(compressed) == contigs
    assert list(read(plain)) == list(contigs)


def test_pieces_compressed_apart_are_one_file(tmp_path):
    path = tmp_path / "blocks.fa.gz"  # as bgzip writes it
    path.write_bytes(gzip.compress(b">c1\nAC") + gzip.compress(b"GT\n>c2\nTT\n"))
    assert read(path) == {"c1": "ACGT", "c2": "TT"}


@given(
    st.lists(st.text("ACGTN", max_size=50), min_size=1, max_size=4),
    st.integers(1, 60),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 30),
)
def test_line_lengths_line_ends_and_chunks_do_not_matter(tmp_path_factory, contigs, width, end, chunk):
    path = tmp_path_factory.mktemp("fasta") / "wrapped.fa"
    lines = []
    for number, letters in enumerate(contigs):
        lines += [f">c{number}", *(letters[at : at + width] for at in range(0, len(letters), width))]
    path.write_bytes((end.join(lines) + end).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "CHUNK", chunk)
        assert list(read(path).values()) == contigs


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "at least one sequence, but .*bad.fa is empty"),
        (b" \n\n", "bad.fa is empty"),
        (b"ACGT\n", "must start with `>`, but .*bad.fa starts with b'ACGT"),
        (b"LOCUS  NC_1\n", "must start with `>`"),
        (b">p\nACGT\nMEEP\n", "nucleotide letters only, but .*bad.fa:3 has 'E'"),
        (b">c1\nACGT\nAC\n>c2\n\nAC-GT\n", "bad.fa:6 has '-'"),
        (b">c1\r\nAC\r\n>c2\r\nAC*\r\n", r"bad.fa:4 has '\*'"),
        (gzip.compress(b"", mtime=0), "bad.fa is empty"),
        (gzip.compress(b">c1\nACGT\n", mtime=0) + b"rest", "truncated or damaged"),
    ],
)
def test_what_is_no_dna_is_refused_where_it_stands(tmp_path, content, message):
    path = tmp_path / "bad.fa"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(path)


def test_a_truncated_gzip_file_is_refused_wherever_it_ends(tmp_path):
    path = tmp_path / "cut.fa.gz"
    whole = gzip.compress(b">c1\n" + b"ACGTTGCAAC" * 20)
    for length in range(2, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.fa\.gz is truncated or damaged"):
            read(path)


def test_a_damaged_gzip_file_is_refused(tmp_path):
    path = tmp_path / "damaged.fa.gz"
    whole = bytearray(gzip.compress(b">c1\n" + b"ACGTTGCAAC" * 20))
    whole[-6] ^= 1  # in the checksum
    path.write_bytes(whole)
    with pytest.raises(InputError, match="truncated or damaged"):
        read(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.fa cannot be read: No such file"):
        read(tmp_path / "none.fa")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read(tmp_path)
