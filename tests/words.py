"""Words of DNA as strings in a dictionary: the slow, plain way that fast counts are tested against."""

from collections import Counter

from trainers.tokens.kmers import KmerTokenizer


def words(k: int) -> list[str]:
    """All words of k letters in the vocabulary's order."""
    return KmerTokenizer(k).vocabulary()[5:]


def counted(contigs: list[str], n: int) -> Counter[str]:
    """How often each word of n letters stands in the contigs, never across an N."""
    found: Counter[str] = Counter()
    for piece in "N".join(contigs).split("N"):
        found.update(piece[at : at + n] for at in range(len(piece) - n + 1))
    return found


def reverse_complement(letters: str) -> str:
    return letters[::-1].translate(str.maketrans("ACGT", "TGCA"))
