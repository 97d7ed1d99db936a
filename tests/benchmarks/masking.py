"""How fast batches are masked: `python -m tests.benchmarks.masking`.

The baseline is a plain Python loop over the tokens of a row, as the published code works, but generous: ranks are
looked up by k-mer id, where the published code turns every id into letters first. Both draw 80/10/10 and their random
numbers. One thread; 32 rows of 512 tokens of the embedded genome; the best of some repetitions. Where there is a GPU,
a second table compares masking with a training step of the `logo` preset at 256 x 512.
"""

import random
import time
from collections.abc import Callable

import numpy as np
import torch

from curricula import Masking, Strategy
from trainers import embedded
from trainers.genome.split import Split
from trainers.genome.windows import Windows
from trainers.masking.difficulty import Difficulty
from trainers.masking.masker import Masker, Rows
from trainers.masking.rates import calibration_rows
from trainers.models.build import initial_model
from trainers.pretraining.batches import Share
from trainers.pretraining.language_model import MaskedLanguageModel
from trainers.settings import Budget
from trainers.tokens.kmers import MASK, KmerTokenizer

K, ROWS, LENGTH, RATE = 6, 32, 512, 0.15
MASKINGS = (
    Masking(Strategy.RANDOM, RATE),
    Masking(Strategy.RANDOM, RATE, span=6),
    Masking(Strategy.GENEMASK, RATE),
    Masking(Strategy.GLOBAL, RATE, span=6),
    Masking(Strategy.PMI_THRESHOLD, RATE, span=1, min_quantile=0.5),
    Masking(Strategy.PMI_THRESHOLD, RATE, span=1, min_quantile=0.5, placebo=1),
    Masking(Strategy.GENEMASK_AS_RELEASED, RATE),
    Masking(Strategy.GLOBAL_AS_RELEASED, RATE, span=6),
)


def plain_genemask(ranks: list[int], centres: list[int]) -> list[tuple[int, int]]:
    """Return the spans of one row: 11 tokens around the better half of the best tokens near the centres, else 6."""
    best = []
    for centre in centres:
        found = -1
        for at in range(max(0, centre - 2), min(len(ranks), centre + 4)):
            if found < 0 or ranks[at] < ranks[found]:
                found = at
        best.append((ranks[found], found, centre))
    best.sort()
    half = (len(best) + 1) // 2
    return [(at - 5, at + 6) for _, at, _ in best[:half]] + [(centre - 2, centre + 4) for _, _, centre in best[half:]]


def plain_global(ranks: list[int], centres: list[int]) -> list[tuple[int, int]]:
    """Return the spans of one row: 11 tokens around as many of its best-ranked tokens as were drawn."""
    ranked = sorted((rank, at) for at, rank in enumerate(ranks))
    return [(at - 5, at + 6) for _, at in ranked[: len(centres)]]


PLAIN = {Strategy.GENEMASK: (plain_genemask, RATE / 8.5), Strategy.GLOBAL: (plain_global, RATE / 11)}


def plain_batch(
    ids_BT: torch.Tensor, rank: list[int], strategy: Strategy, drawn: Callable[[], float] = random.random
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask a batch, token after token: return inputs and labels (-100 where there is no question), shape (B, T)."""
    spans_of, p = PLAIN[strategy]
    inputs, labels = [], []
    for row in ids_BT:
        ids = row.tolist()
        ranks, centres = [], []
        for at, token in enumerate(ids):
            ranks.append(rank[token])
            if drawn() < p:
                centres.append(at)
        mask = [False] * len(ids)
        for start, end in spans_of(ranks, centres):
            for at in range(max(0, start), min(len(ids), end)):
                mask[at] = True
        tokens, answers = [], []
        for at, token in enumerate(ids):
            answers.append(token if mask[at] else -100)
            fate = random.random() if mask[at] else 1.0
            tokens.append(MASK if fate < 0.8 else random.randrange(5, 5 + 4**K) if fate < 0.9 else token)
        inputs.append(tokens)
        labels.append(answers)
    return torch.tensor(inputs), torch.tensor(labels)


def rows_and_masker(rows: int, length: int) -> tuple[torch.Tensor, Masker, Difficulty]:
    """Return k-mer ids of the embedded genome, shape (rows, length), and what masks them."""
    genome = embedded.genome()
    difficulty = Difficulty.of(genome, K)
    training, _ = Split(block=20_000, validation_share=0.1, seed=0).intervals(genome)
    windows, tokenizer = Windows(genome, training, length + K - 1, "training"), KmerTokenizer(K)
    masker = Masker(difficulty, Budget.MATCHED, 0, calibration_rows(windows, K))
    return tokenizer.ids(windows.sample(1, torch.arange(rows))), masker, difficulty


def seconds(run: Callable[[], object], repetitions: int) -> float:
    """Return the time of the fastest run."""
    best = float("inf")
    for _ in range(repetitions):
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    return best


def main() -> None:
    """Print tokens a second for every strategy, and how many times the plain loop that is."""
    torch.set_num_threads(1)
    ids_BT, masker, difficulty = rows_and_masker(ROWS, LENGTH)
    samples_B = torch.arange(ROWS)
    rank = [4**K] * 5 + difficulty.rank.tolist()
    print(f"{'masking, one core':34s}{'tokens/s':>14s}{'plain loop':>14s}{'ratio':>8s}")
    for masking in MASKINGS:
        masker(ids_BT, masking, samples_B)  # solves the centre probability, once
        fast = ids_BT.numel() / seconds(lambda m=masking: masker(ids_BT, m, samples_B), 200)
        name = f"{masking.strategy}, span {masking.span}{', placebo' if masking.placebo else ''}"
        line = f"{name:34s}{fast / 1e6:12.1f} M"
        if masking.strategy in PLAIN:
            slow = ids_BT.numel() / seconds(lambda m=masking: plain_batch(ids_BT, rank, m.strategy), 5)
            line += f"{slow / 1e6:12.2f} M{fast / slow:7.0f}x"
        print(line)
    if torch.cuda.is_available():
        on_gpu()


def on_gpu(rows: int = 256) -> None:
    """Print what masking costs beside a training step of the `logo` preset."""
    device = torch.device("cuda")
    ids_BT, masker, _ = rows_and_masker(rows, 510)
    ids_BT, samples_B = ids_BT.to(device), torch.arange(rows, device=device)
    tokenizer = KmerTokenizer(K)
    model = MaskedLanguageModel(initial_model("logo", tokenizer, seed=0), torch.bfloat16).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    masked = masker(ids_BT, MASKINGS[0], samples_B)
    share = Share(tokenizer, Rows(ids_BT, masked.inputs_BT, masked.mask_BT, None))
    (batch,) = share.passes([np.arange(rows)])

    def step() -> None:
        (model(batch) / len(batch.labels_M)).backward()
        optimiser.step()
        optimiser.zero_grad()

    whole = _gpu_seconds(step)
    print(f"\n{'masking on the GPU, 256 x 512':34s}{'us a batch':>14s}{'share of a training step':>28s}")
    for masking in MASKINGS:
        masker(ids_BT, masking, samples_B)
        torch.cuda.set_sync_debug_mode("error")  # whatever waits for the device is an error here
        own = _gpu_seconds(lambda m=masking: masker(ids_BT, m, samples_B))
        torch.cuda.set_sync_debug_mode("default")
        print(f"{f'{masking.strategy}, span {masking.span}':34s}{own * 1e6:14.0f}{own / whole:27.2%}")


def _gpu_seconds(run: Callable[[], object], repetitions: int = 20) -> float:
    """Return the mean time on the device, by its own clock."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    for _ in range(3):
        run()
    start.record()
    for _ in range(repetitions):
        run()
    end.record()
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("default")
    end.synchronize()
    torch.cuda.set_sync_debug_mode(mode)
    return start.elapsed_time(end) / 1000 / repetitions


if __name__ == "__main__":
    main()
