"""Counter-based random numbers: a draw is a pure function of (seed, stream, sample, position).

A generator object would have to be carried through checkpoints and would tie the masks to the order in
which ranks draw. Hashing counters needs no state, so any worker can make any sample's numbers.
The mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood 2014, OOPSLA).
"""

from enum import IntEnum

import torch

_GOLDEN = -7046029254386353131  # 2^64 / golden ratio, as a signed 64-bit number
_MIX_A = -4658895280553007687
_MIX_B = -7723592293110705685


class Stream(IntEnum):
    """Independent sequences of random numbers for independent purposes."""

    WINDOW = 1
    MASK = 2
    BATCH = 3
    DROPOUT = 5
    SHUFFLE = 6
    INITIALISATION = 7
    LENGTH = 8
    STRAND = 9
    REPEATS = 10
    EPOCH = 11
    FATE = 12


def _shift_right(x: torch.Tensor, n: int) -> torch.Tensor:
    return (x >> n).bitwise_and_((1 << (64 - n)) - 1)  # logical: int64 has only the arithmetic shift


def _mix_(x: torch.Tensor) -> torch.Tensor:
    x.bitwise_xor_(_shift_right(x, 30)).mul_(_MIX_A)
    x.bitwise_xor_(_shift_right(x, 27)).mul_(_MIX_B)
    return x.bitwise_xor_(_shift_right(x, 31))


def sample_bits(seed: int, stream: Stream, samples_B: torch.Tensor) -> torch.Tensor:
    """Return one 64-bit random number a sample: int64, shape (B,)."""
    key = _mix_(torch.tensor((seed * 64 + stream) & 0x7FFFFFFFFFFFFFFF, dtype=torch.int64))
    return _mix_((samples_B.to(torch.int64) + 1) * _GOLDEN + key)  # a CPU scalar joins any device without waiting


def random_bits(seed: int, stream: Stream, samples_B: torch.Tensor, length: int) -> torch.Tensor:
    """Return 64-bit random numbers, int64, shape (B, length), on the device of `samples_B`.

    The number of a sample at a position does not depend on the other samples or on `length`.
    """
    positions_T = torch.arange(length, dtype=torch.int64, device=samples_B.device) * _GOLDEN
    return _mix_(sample_bits(seed, stream, samples_B)[:, None] + positions_T)


def field(bits: torch.Tensor, lowest: int, width: int) -> torch.Tensor:
    """Return the bits lowest .. lowest + width - 1 of each number: one hash serves several independent draws."""
    return (bits >> lowest).bitwise_and_((1 << width) - 1)


def uniform(bits: torch.Tensor) -> torch.Tensor:
    """Return float32 numbers in [0, 1) made of the highest 24 bits."""
    return field(bits, 40, 24).to(torch.float32).mul_(2.0**-24)


def uniforms(seed: int, stream: Stream, samples_B: torch.Tensor, length: int) -> torch.Tensor:
    """Return float32 numbers in [0, 1), shape (B, length); see `random_bits`."""
    return uniform(random_bits(seed, stream, samples_B, length))


def derived_seed(seed: int, stream: Stream, index: int) -> int:
    """Return a 63-bit seed for a library generator that wants one (dropout, initialisation, shuffling)."""
    return int(sample_bits(seed, stream, torch.tensor([index]))[0]) & 0x7FFFFFFFFFFFFFFF


def batch_uniform(seed: int, step: int) -> float:
    """Return the number in [0, 1) with which the batch of a step draws from a mixture: the same on every rank."""
    return (derived_seed(seed, Stream.BATCH, step) >> 10) * 2.0**-53
