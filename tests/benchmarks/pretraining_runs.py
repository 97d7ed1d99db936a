"""Short pretrainings that are timed: by our loop, and by transformers' Trainer."""

import dataclasses
import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from trainers import data, embedded
from trainers.models.build import initial_model
from trainers.pretraining.loop import Reached, pretrain
from trainers.settings import Budget, DataSettings, Execution, Lengths, PretrainSettings, Sampling
from trainers.tokens.kmers import MASK, PAD, KmerTokenizer
from trainers.workers import Workers

K, LENGTH = 6, 510
WARM = 4  # steps at the start of a run that are not timed


@dataclasses.dataclass(frozen=True)
class Run:
    """Steps that were timed.

    Attributes:
        seconds: Of the median step.
        tokens: k-mers a step.
    """

    seconds: float
    tokens: float
    reached: Reached | None = None

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


@dataclasses.dataclass(frozen=True)
class Bench:
    """What the parts share."""

    folder: Path
    device: torch.device
    steps: int

    def ours(
        self, preset: str, batch: int, lengths: Lengths = "fixed", workers: Workers | None = None, **how: Any
    ) -> Run:
        """Time steps of the pretraining loop on the embedded genome; `how` it is executed."""
        chosen = DataSettings("embedded", K, LENGTH, 20_000, 0.1, 8, 0, sampling=Sampling(lengths))
        loaded, sha256 = data.load(chosen, self.prepared(chosen))
        settings = PretrainSettings(
            preset=preset,
            k=K,
            length=LENGTH,
            batch=batch,
            curriculum="constant",
            arguments={},
            learning_rate=8e-4,
            warmup=10,
            weight_decay=0.01,
            clip=1.0,
            horizon=self.steps + 1,
            budget=Budget.MATCHED,
            seed=0,
            validate_every=10**6,
            data_sha256=sha256,
        )
        times: list[float] = []
        group = workers or Workers(0, 1, self.device)
        out = self.folder / f"checkpoints-{os.getpid() if group.count == 1 else os.getppid()}"
        run = pretrain(
            settings, loaded, [self.steps], out, group, Execution(**how), lambda s: times.append(self.now(s))
        )
        (reached,) = run
        if group.rank == 0:
            shutil.rmtree(out)
        return Run(median_step(times), reached.state.tokens / self.steps, reached)

    def prepared(self, chosen: DataSettings) -> Path:
        """Return the folder with the data of one kind of samples."""
        home = self.folder / chosen.sampling.lengths
        if not home.exists():
            data.prepare(embedded.genome(), chosen, home)
        return home

    def now(self, step: int) -> float:
        """Return the time; a GPU is waited for only where timing begins and ends."""
        if self.device.type == "cuda" and step in (WARM, self.steps):
            torch.cuda.synchronize()
        return time.perf_counter()

    def trainer(self, preset: str, batch: int) -> Run:
        """Time steps of transformers' Trainer on rows of the same genome."""
        from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast, Trainer, TrainingArguments

        tokenizer = KmerTokenizer(K)
        model = initial_model(preset, tokenizer, seed=0)
        rows = trainer_rows(tokenizer, self.steps * batch)
        times: list[float] = []
        on_gpu = self.device.type == "cuda"
        arguments = TrainingArguments(
            output_dir=str(self.folder / "trainer"),
            per_device_train_batch_size=batch,
            max_steps=self.steps,
            learning_rate=8e-4,
            warmup_steps=10,
            weight_decay=0.01,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=not on_gpu,
            bf16=on_gpu,
            dataloader_num_workers=4 if on_gpu else 0,
        )
        collator = DataCollatorForLanguageModeling(trainer_tokenizer(PreTrainedTokenizerFast, tokenizer))
        trainer = Trainer(model, arguments, collator, rows, callbacks=[timing_callback(times, self.now)])
        trainer.train()
        return Run(median_step(times), batch * LENGTH)


def trainer_rows(tokenizer: KmerTokenizer, count: int) -> list[dict[str, list[int]]]:
    """Return token ids of windows of the embedded genome, as a data set for the Trainer."""
    chosen = DataSettings("embedded", K, LENGTH, 20_000, 0.1, 8, 0)
    sampler, _ = data.windows(embedded.genome(), chosen)
    ids_BT = tokenizer.wrap(tokenizer.ids(sampler.sample(0, torch.arange(count)).bases_BL))
    return [{"input_ids": row} for row in ids_BT.tolist()]


def trainer_tokenizer(kind: Any, tokenizer: KmerTokenizer) -> Any:
    """Return the vocabulary in the form that the collator asks for."""
    from tokenizers import Tokenizer, models

    words = {word: number for number, word in enumerate(tokenizer.vocabulary())}
    specials = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    found = kind(tokenizer_object=Tokenizer(models.WordLevel(words, "[UNK]")), mask_token="[MASK]", **specials)
    assert (found.mask_token_id, found.pad_token_id) == (MASK, PAD)
    return found


def timing_callback(times: list[float], now: Callable[[int], float]) -> Any:
    """Return a Trainer callback that notes the time after each step."""
    from transformers import TrainerCallback

    class Note(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            times.append(now(state.global_step))

    return Note()


def median_step(times: list[float]) -> float:
    """Return the median time of a step after the first few; the mean on a GPU, which runs behind the host."""
    if torch.cuda.is_available():
        return (times[-1] - times[WARM - 1]) / (len(times) - WARM)
    return statistics.median(after - before for before, after in zip(times[WARM - 1 :], times[WARM:], strict=False))


def turn_about(runs: int, own: Callable[[], Run], baseline: Callable[[], Run]) -> tuple[Run, Run]:
    """Time both turn about and return the median run of each: what slows the machine down slows both."""
    pairs = [(own(), baseline()) for _ in range(runs)]
    middle = runs // 2
    return sorted((a for a, _ in pairs), key=by_speed)[middle], sorted((b for _, b in pairs), key=by_speed)[middle]


def by_speed(run: Run) -> float:
    return run.speed
