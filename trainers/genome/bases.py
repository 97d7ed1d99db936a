"""Letters and base codes. A base is one byte: A 0, T 1, C 2, G 3 (DNABERT's order), anything else 4."""

import numpy as np
from numpy.typing import NDArray

LETTERS = "ATCGN"
OTHER = 4
REFUSED = 255
_IUPAC = b"NRYSWKMBDHVU"

_CODES = bytearray([REFUSED]) * 256
for _letter in _IUPAC + _IUPAC.lower():
    _CODES[_letter] = OTHER
for _code, _letter in enumerate(b"ATCG"):
    _CODES[_letter] = _CODES[_letter + 32] = _code  # lower case marks repeats in genome files; the base is the same
CODES = bytes(_CODES)


def encode(letters: bytes) -> NDArray[np.uint8]:
    """Return base codes of the letters, shape (len(letters),); 255 where a letter is no IUPAC nucleotide."""
    return np.frombuffer(letters.translate(CODES), dtype=np.uint8)


def decode(bases: NDArray[np.uint8]) -> str:
    """Return the upper-case letters of base codes; every code above 3 is N."""
    return np.frombuffer(LETTERS.encode(), dtype=np.uint8)[np.minimum(bases, OTHER)].tobytes().decode()
