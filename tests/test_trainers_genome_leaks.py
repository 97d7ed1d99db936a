"""Test sequences in the training DNA, against a search through strings."""

import random

import numpy as np
import pytest

from tests.dna import corpus_of
from tests.words import reverse_complement
from trainers.genome.intervals import subtract
from trainers.genome.leaks import Leak, find_leaks


def by_hand(contigs: list[str], training: np.ndarray, tests: list[str]) -> tuple[set[str], set[tuple[int, int]]]:
    """Sequences that stand in training DNA, and where, in either direction."""
    flat, found, places = "".join(contigs), set(), set()
    for test in tests:
        if len(test) < 20 or set(test) - set("ACGT"):
            continue
        for letters in {test, reverse_complement(test)}:
            start = flat.find(letters)
            while start >= 0:
                end = start + len(letters)
                if any(first <= start and end <= last for first, last in training):
                    found.add(test)
                    places.add((start, end))
                start = flat.find(letters, start + 1)
    return found, places


def cuttings(generator: random.Random, contigs: list[str]) -> list[str]:
    """Pieces of the contigs: some turned, some with a letter changed, some with N."""
    tests = []
    for _ in range(60):
        length, contig = generator.randint(15, 130), generator.choice(contigs)
        start = generator.randint(0, max(0, len(contig) - length))
        letters = contig[start : start + length]
        if generator.random() < 0.5 and "N" not in letters:
            letters = reverse_complement(letters)
        if generator.random() < 0.3:
            place = generator.randrange(len(letters))
            letters = letters[:place] + generator.choice("ACGT") + letters[place + 1 :]
        tests.append(letters)
    return tests


@pytest.mark.parametrize("alphabet", ["ACGT" * 8 + "N", "AAAAAAAAC", "AC"], ids=["DNA", "nearly poly-A", "two letters"])
@pytest.mark.parametrize("seed", range(8))
def test_what_is_found_is_what_strings_find(alphabet, seed):
    generator = random.Random(seed)
    contigs = ["".join(generator.choices(alphabet, k=generator.randint(140, 900))) for _ in range(3)]
    corpus = corpus_of(*contigs)
    training = subtract(corpus.known, np.array([[100, 150], [400, 500]])) if seed % 2 else corpus.known
    tests = cuttings(generator, contigs)
    leaks = find_leaks(corpus, training, {"one": tests[:40], "other": tests[40:]})
    found, places = by_hand(contigs, training, tests)
    assert found
    assert {tuple(place) for place in leaks.places.tolist()} == places
    for name, own in (("one", tests[:40]), ("other", tests[40:])):
        ambiguous = sum("N" in test for test in own)
        short = sum(len(test) < 20 and "N" not in test for test in own)
        assert leaks.by_task[name] == Leak(len(own), short, ambiguous, sum(test in found for test in own))


def test_nothing_to_look_for_finds_nothing(genome):
    leaks = find_leaks(genome, genome.known, {"short": ["ACGT"], "empty": []})
    assert leaks.by_task == {"short": Leak(1, 1, 0, 0), "empty": Leak(0, 0, 0, 0)}
    assert leaks.places.shape == (0, 2)
    nowhere = find_leaks(genome, genome.known[:0], {"t": [genome.letters(0, 70).decode()]})
    assert nowhere.by_task["t"].found == 0


def test_windows_of_real_dna_are_found_in_it(genome):
    starts = np.arange(1_000, 80_000, 997)
    tests = [genome.letters(start, start + 70).decode() for start in starts]
    turned = [reverse_complement(test) for test in tests[:30]]
    leaks = find_leaks(genome, genome.known, {"own": tests, "turned": turned})
    assert leaks.by_task["own"].found == len(tests)
    assert leaks.by_task["turned"].found == 30
    assert {(start, start + 70) for start in starts.tolist()} <= {tuple(place) for place in leaks.places.tolist()}
    assert leaks.card(excluded=True)["tasks"]["own"] == {"windows": 80, "too_short": 0, "ambiguous": 0, "found": 80}
