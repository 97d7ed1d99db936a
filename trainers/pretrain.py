"""Pretrains one model under one curriculum, without Ray: `python -m trainers.pretrain`; also under torchrun."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import torch
import yaml
from rich.progress import Progress
from torch import distributed

from curricula import InputError, registry
from trainers import data, storage
from trainers.genome.intervals import NONE
from trainers.genome.leaks import find_leaks
from trainers.models.presets import PRESETS, preset
from trainers.pretraining.loop import Reached, pretrain
from trainers.pretraining.notice import PreemptedError
from trainers.settings import (
    PUBLISHED,
    Budget,
    DataSettings,
    Execution,
    Lengths,
    NpmiFormula,
    Parts,
    Precision,
    PretrainSettings,
    RateSchedule,
    Repeats,
    Sampling,
    Strands,
)
from trainers.tasks.folder import tasks_under
from trainers.tasks.task import tests_of
from trainers.workers import Workers

_noticed = threading.Event()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.pretrain",
        description="Pretrain one model under one curriculum, to checkpoints at step budgets. Under "
        "`torchrun --nproc-per-node N -m trainers.pretrain`, N processes share every batch.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder for corpus and checkpoints; goes on with what is there")
    add("--genome", default=data.EMBEDDED, help="`embedded`; a corpus of trainers.prepare; or a FASTA or .2bit file")
    add("--preset", default="tiny", help=f"model: {', '.join(PRESETS)}")
    add("--k", type=int, default=2, help="nucleotides in a k-mer token, 1 to 8")
    add("--curriculum", default="constant", help=f"one of {', '.join(registry.names())}")
    add("--set", action="append", default=[], metavar="NAME=VALUE", dest="arguments", help="argument of the curriculum")
    add("--budgets", type=int, nargs="+", default=[100, 200, 400], help="optimiser steps of the checkpoints, ascending")
    add("--length", type=int, default=59, help="tokens a sample, without [CLS] and [SEP]")
    add("--batch", type=int, default=32, help="samples an optimiser step, over all processes")
    add("--learning-rate", type=float, default=0.006, help="peak learning rate")
    add("--warmup", type=int, default=20, help="steps of linear warm-up")
    add("--schedule", choices=get_args(RateSchedule), default="linear", help="how the learning rate falls after that")
    add("--decay", type=float, default=0.2, help="share of the steps over which `wsd` falls")
    add(
        "--cooldown",
        type=float,
        default=0.0,
        help="share of a budget on a branch whose rate falls to 0; 0: none",
    )
    add("--precision", choices=get_args(Precision), default="auto", help="`auto`: bf16 on GPUs, fp32 on CPUs")
    add("--micro-batch", type=_micro_batch, default="auto", metavar="ROWS", help="rows of a pass; `auto`: what fits")
    add("--compile", action="store_true", help="compile the model first: minutes, worth it from thousands of steps")
    add("--activation-checkpointing", action="store_true", help="less memory, a third more time")
    add("--masking", type=Budget, choices=list(Budget), default=Budget.MATCHED, help="rate to centre probability")
    add("--validate-every", type=int, default=50, help="steps between looks at the validation loss")
    add("--checkpoint-every", type=int, default=1000, help="steps between further checkpoints; 0 for none")
    add("--keep-last", type=int, default=1, help="checkpoints to keep besides those of the budgets")
    add("--block", type=int, default=20_000, help="bases in a block, either all training or all validation")
    add("--validation-share", type=float, default=0.1, help="share of the blocks held out")
    add("--margin", type=int, default=1000, help="bases beside a validation block that are not trained on")
    add("--validation-contigs", nargs="+", default=[], help="contigs to validate on instead of blocks; patterns too")
    add("--lengths", choices=get_args(Lengths), default="fixed", help="lengths of samples")
    add("--shortest", type=int, default=5, help="tokens of the shortest sample of mixed lengths")
    add("--reverse-complement", action="store_true", help="read every second sample from the other strand")
    add("--repeats", choices=get_args(Repeats), help="soft-masked bases; without it, what the corpus was prepared for")
    add("--exclude-test-windows", metavar="ROOT", help="keep test sequences of the tasks in this folder out of samples")
    add("--npmi-parts", choices=get_args(Parts), default=PUBLISHED.parts, help="parts that a k-mer is compared with")
    add("--npmi-strands", choices=get_args(Strands), default=PUBLISHED.strands, help="strands to count k-mers on")
    add(
        "--npmi-minimum-count", type=int, default=PUBLISHED.minimum_count, help="k-mers that occur less often rank last"
    )
    add("--seed", type=int, default=0, help="everything random follows from it")
    return parser


def _micro_batch(text: str) -> int | Literal["auto"]:
    return "auto" if text == "auto" else int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Pretrain and return the exit code: 0 done, 1 diverged, 2 refused, 130 interrupted, 143 left after notice."""
    options = _parser().parse_args(arguments)
    _noticed.clear()
    before = signal.signal(signal.SIGTERM, lambda number, frame: _noticed.set())
    grouped = "RANK" in os.environ
    if grouped:
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    try:
        return _run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"diverged: {error}", file=sys.stderr)
        return 1
    except PreemptedError as left:  # SIGTERM, as a scheduler or torchrun sends it before it kills
        print(f"left at step {left.step} after notice; the same command goes on there", file=sys.stderr)
        return 143
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
        if grouped:
            distributed.destroy_process_group()


def _run(options: argparse.Namespace) -> int:
    if options.budgets != sorted(set(options.budgets)) or options.budgets[0] < 1:
        raise InputError(f"--budgets must be ascending, from 1, without repeats, but got {options.budgets}")
    if not 0 < options.validation_share < 1:
        raise InputError(f"--validation-share must lie in (0, 1), but got {options.validation_share}")
    for name in ("block", "margin", "warmup", "checkpoint_every"):
        if getattr(options, name) < (1 if name == "block" else 0):
            low = 1 if name == "block" else 0
            raise InputError(f"--{name.replace('_', '-')} must be at least {low}, but got {getattr(options, name)}")
    settings = _settings(options, data_sha256="")
    execution = Execution(
        micro_batch=options.micro_batch,
        compile=options.compile,
        activation_checkpointing=options.activation_checkpointing,
        checkpoint_every=options.checkpoint_every,
        keep_last=options.keep_last,
    )
    workers = Workers.current()
    chosen = DataSettings(
        genome=options.genome,
        k=options.k,
        length=options.length,
        block=options.block,
        validation_share=options.validation_share,
        validation_rows=256,
        seed=options.seed,
        npmi=settings.npmi,
        margin=options.margin,
        validation_contigs=tuple(options.validation_contigs),
        sampling=Sampling(options.lengths, options.shortest, options.reverse_complement),
        repeats=options.repeats,
        tokens=preset(options.preset).tokens,
    )
    if workers.rank == 0:
        _prepare(options, chosen)
    workers.barrier()
    loaded, sha256 = data.load(chosen, options.out)
    settings = _settings(options, sha256)
    folder = options.out / f"{options.curriculum}-{settings.fingerprint()}"
    if workers.rank == 0:
        print(f"{workers.count} process(es) on {workers.device.type}; checkpoints go to {folder}", flush=True)
        print(f"guessing from token frequencies alone: {data.unigram_loss(loaded):.3f} nats a masked token")
    with Progress(disable=workers.rank > 0) as progress:
        bar = progress.add_task(options.curriculum, total=options.budgets[-1])
        for reached in pretrain(
            settings,
            loaded,
            options.budgets,
            folder,
            workers,
            execution,
            lambda step: progress.update(bar, completed=step),
            _noticed.is_set,
        ):
            if workers.rank == 0:
                print(_line(reached), flush=True)
    return 0


def _line(reached: Reached) -> str:
    state, wide = reached.state, reached.validation.wide
    branch = " after a cool-down" if reached.branch == "cooldown" else ""
    speed = f", {state.tokens / state.seconds:,.0f} tokens/s" if state.seconds else ""
    return (
        f"{state.step} steps{branch}: validation loss {reached.validation_loss:.3f} (wide spans {wide.loss:.3f}), "
        f"accuracy {reached.validation.narrow.accuracy:.1%}{speed}"
    )


def _prepare(options: argparse.Namespace, chosen: DataSettings) -> None:
    corpus = data.open_genome(options.genome)
    excluded, cards = NONE, {}
    if options.exclude_test_windows is not None:
        tests = tests_of(tasks_under(storage.local(options.exclude_test_windows)))
        leaks = find_leaks(corpus, data.divided(corpus, chosen)[0], tests)
        excluded, cards = leaks.places, {"leaks": leaks.card(excluded=True)}
        found = sum(leak.found for leak in leaks.by_task.values())
        print(f"{found:,} test sequences of {len(tests)} tasks stand in the training DNA; samples keep out of them")
    data.prepare(corpus, chosen, options.out, excluded, cards)


def _settings(options: argparse.Namespace, data_sha256: str) -> PretrainSettings:
    pairs = [pair.partition("=") for pair in options.arguments]
    if any(not equals for _, equals, _ in pairs):
        raise InputError(f"--set takes NAME=VALUE, but got {options.arguments}")
    return PretrainSettings(
        preset=options.preset,
        k=options.k,
        length=options.length,
        batch=options.batch,
        curriculum=options.curriculum,
        arguments={name: yaml.safe_load(value) for name, _, value in pairs},
        learning_rate=options.learning_rate,
        warmup=options.warmup,
        weight_decay=0.01,
        clip=1.0,
        horizon=options.budgets[-1],
        budget=options.masking,
        seed=options.seed,
        validate_every=options.validate_every,
        data_sha256=data_sha256,
        npmi=NpmiFormula(options.npmi_parts, options.npmi_strands, options.npmi_minimum_count),
        schedule=options.schedule,
        decay=options.decay,
        cooldown=options.cooldown,
        precision=options.precision,
    )


if __name__ == "__main__":
    sys.exit(main())
