"""Letters and base codes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.genome import bases


@pytest.mark.parametrize(
    ("letters", "codes"),
    [
        ("ATCG", [0, 1, 2, 3]),
        ("atcg", [0, 1, 2, 3]),
        ("N", [4]),
        ("nRYSWKMBDHVU", [4] * 12),
        ("ryswkmbdhvu", [4] * 11),
        ("A-T", [0, 255, 1]),
        ("EFIJLOPQXZ*. 1", [255] * 14),
        ("", []),
    ],
)
def test_every_letter_has_its_code(letters, codes):
    assert bases.encode(letters.encode()).tolist() == codes


def test_every_byte_is_a_base_an_ambiguity_or_refused():
    codes = bases.encode(bytes(range(256)))
    assert {chr(byte) for byte in np.flatnonzero(codes < 4)} == set("ACGTacgt")
    assert {chr(byte) for byte in np.flatnonzero(codes == 4)} == set("NRYSWKMBDHVUnryswkmbdhvu")
    assert set(codes[codes > 4].tolist()) == {bases.REFUSED}


@given(st.text("ACGTN"))
def test_letters_come_back(letters):
    assert bases.decode(bases.encode(letters.encode())) == letters
