"""Letters, base codes, and four bases in a byte. A code is A 0, T 1, C 2, G 3 (DNABERT's order); 4 is anything else."""

import numpy as np
from numpy.typing import NDArray

LETTERS = "ATCGN"
OTHER = 4
REFUSED = 255  # no nucleotide
NO_LETTER = 0  # what NORMAL makes of it
_IUPAC = b"NRYSWKMBDHVU"
_KNOWN = b"ATCG"
NUCLEOTIDES = frozenset((_KNOWN + _IUPAC).decode())  # upper case, without gaps

_normal = bytearray(256)
for _letter in _IUPAC:
    _normal[_letter] = _normal[_letter + 32] = ord("N")
for _letter in _KNOWN:
    _normal[_letter] = _normal[_letter + 32] = _letter  # lower case marks repeats in genome files; the base is the same
NORMAL = bytes(_normal)  # translates letters to their normal form: A, C, G, T or N; 0 where it is no nucleotide

_CODE = {**{letter: code for code, letter in enumerate(_KNOWN)}, ord("N"): OTHER}
_CODES = bytes(_CODE.get(letter, REFUSED) for letter in NORMAL)
_FOUR_CODES = np.zeros((256, 4), np.uint8)  # the codes in a byte, the first in the highest bits
for _place in range(4):
    _FOUR_CODES[:, _place] = np.arange(256) >> (6 - 2 * _place) & 3
_FOUR_AT_ONCE = _FOUR_CODES.view(np.uint32).ravel()
_GATHER = np.uint32(1 << 30 | 1 << 20 | 1 << 10 | 1)  # moves the codes in four bytes into the highest one


def encode(letters: bytes) -> NDArray[np.uint8]:
    """Return base codes of the letters, shape (len(letters),); 255 where a letter is no IUPAC nucleotide."""
    return np.frombuffer(letters.translate(_CODES), dtype=np.uint8)


def decode(codes: NDArray[np.uint8]) -> str:
    """Return the upper-case letters of base codes; every code above 3 is N."""
    return np.frombuffer(LETTERS.encode(), dtype=np.uint8)[np.minimum(codes, OTHER)].tobytes().decode()


def codes_of_normal(letters: bytes) -> NDArray[np.uint8]:
    """Return base codes of letters in normal form, shape (len(letters),); N gets the code of G.

    Two bits of the ASCII letters tell A, C, G and T apart: bit 1 is the high bit of the code, bit 2 the low one.
    """
    ascii_ = np.frombuffer(letters, dtype=np.uint8)
    codes = ascii_ >> np.uint8(2)
    codes &= np.uint8(1)
    codes |= ascii_ & np.uint8(2)
    return codes


def pack(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return four codes a byte, the first in the highest bits, shape (n / 4,); n must be a multiple of 4."""
    four = codes.view("<u4") * _GATHER
    four >>= np.uint32(24)
    return four.astype(np.uint8)


def unpack(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the codes in packed bytes: the last axis grows four times."""
    return np.take(_FOUR_AT_ONCE, packed).view(np.uint8)
