"""Fine-tuning against transformers' Trainer, one task after the other: `python -m tests.benchmarks.evaluation ROOT`.

The same `logo` model, batches, steps, looks at the dev loss, best model by it, and one test at the end. On CPUs ours
are two processes of one core each, as the workers of a trial are, and the Trainer has both cores; on a GPU both have it
whole. Only training and scoring are timed, with the tasks and the model in memory. A second call then finds every score
known.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from trainers.evaluation.cache import Score, ScoreCache
from trainers.evaluation.protocol import Protocol
from trainers.evaluation.scoring import Job, jobs_of, score
from trainers.models.build import initial_model
from trainers.models.pretrained import Pretrained
from trainers.tasks.files import read_task
from trainers.tasks.task import EvaluationTask
from trainers.tokens.kmers import KmerTokenizer
from trainers.workers import Workers

CPU_TASKS, GPU_TASKS = (
    ["tf/0", "mouse/0"],
    ["tf/0", "tf/1", "tf/2", "tf/4", "mouse/0", "mouse/2", "mouse/4", "prom/prom_core_tata"],
)
PATIENCE_S = 1800
Scores = dict[tuple[str, int], float]


def protocol_of(options: argparse.Namespace) -> Protocol:
    return Protocol(
        epochs=1000,
        batch=32,
        learning_rate=3e-4,
        warmup=0.1,
        weight_decay=0.01,
        pooling="cls",
        dev_every=options.dev_every,
        shots=0,
        max_steps=options.steps,
    )


def logo() -> Pretrained:
    return Pretrained(initial_model("logo", KmerTokenizer(6), 0), KmerTokenizer(6))


def read(options: argparse.Namespace) -> list[EvaluationTask]:
    return [read_task(name, options.root / name) for name in options.tasks]


def ours(options: argparse.Namespace, workers: Workers, cache: ScoreCache) -> tuple[float, Scores]:
    """Return seconds and test MCC of all fine-tunings, of which this rank did some."""
    pretrained, tasks = logo(), read(options)
    pretrained.model.to(workers.device)
    jobs = [job for task in tasks for job in jobs_of(task, protocol_of(options), range(options.seeds), workers.device)]
    found: Scores = {}

    def on_score(job: Job, repetition: int, scored: Score) -> None:
        found[job.task.name, repetition] = scored.scores.test["mcc"]

    workers.barrier()
    started = time.perf_counter()
    score(pretrained, jobs, workers, on_score, cache)
    seconds = time.perf_counter() - started
    return seconds, {key: value for part in workers.gather(found) for key, value in part.items()}


def member(rank: int, options: argparse.Namespace, folder: str, results: Any) -> None:
    """One of two workers."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=PATIENCE_S),
    )
    workers, cache = Workers(rank, 2, torch.device("cpu")), ScoreCache(Path(folder) / "cache")
    measured = [ours(options, workers, cache) for _ in range(2)]
    if rank == 0:
        results.put(measured)
    distributed.destroy_process_group()


def with_two_workers(options: argparse.Namespace, folder: str) -> list[tuple[float, Scores]]:
    """Return the first and the second call."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    members = [context.Process(target=member, args=(rank, options, folder, results)) for rank in range(2)]
    for process in members:
        process.start()
    try:
        measured: list[tuple[float, Scores]] = results.get(timeout=PATIENCE_S)
        return measured
    finally:
        for process in members:
            process.join(30)
            process.terminate()


def trainers(options: argparse.Namespace, folder: str) -> tuple[float, Scores]:
    """Return seconds and test MCC of all fine-tunings by transformers' Trainer."""
    from sklearn.metrics import matthews_corrcoef
    from transformers import BertForSequenceClassification, Trainer, TrainingArguments

    pretrained, tasks = logo(), read(options)
    encoder = pretrained.model.base_model.state_dict()
    rows = {
        task.name: {split: _dataset(pretrained, task, split) for split in ("train", "dev", "test")} for task in tasks
    }
    scores: Scores = {}
    started = time.perf_counter()
    for task in tasks:
        for seed in range(options.seeds):
            torch.manual_seed(seed)
            config = type(pretrained.model.config)(**{**pretrained.model.config.to_dict(), "num_labels": task.classes})
            model = BertForSequenceClassification(config)
            model.bert.load_state_dict(encoder, strict=False)
            asked = TrainingArguments(
                output_dir=folder,
                max_steps=options.steps,
                per_device_train_batch_size=32,
                per_device_eval_batch_size=256,
                learning_rate=3e-4,
                weight_decay=0.01,
                warmup_steps=options.steps // 10,
                eval_strategy="steps",
                eval_steps=options.dev_every,
                save_strategy="steps",
                save_steps=options.dev_every,
                save_total_limit=1,
                load_best_model_at_end=True,
                metric_for_best_model="loss",
                greater_is_better=False,
                seed=seed,
                bf16=options.device == "cuda",
                use_cpu=options.device == "cpu",
                report_to=[],
                disable_tqdm=True,
                logging_steps=10**9,
            )
            trainer = Trainer(model, asked, train_dataset=rows[task.name]["train"], eval_dataset=rows[task.name]["dev"])
            trainer.train()
            predicted = trainer.predict(rows[task.name]["test"]).predictions.argmax(axis=1)
            scores[task.name, seed] = float(matthews_corrcoef(task.splits["test"].labels, predicted))
    return time.perf_counter() - started, scores


def _dataset(pretrained: Pretrained, task: EvaluationTask, split: str) -> list[dict[str, torch.Tensor]]:
    ids_NT = pretrained.tokenizer.encode(task.splits[split].sequences)
    labels_N = torch.from_numpy(task.splits[split].labels)
    return [{"input_ids": ids_T, "labels": label} for ids_T, label in zip(ids_NT, labels_N, strict=True)]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder with tasks of GUE, <group>/<task>/{train,dev,test}.csv")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    parser.add_argument("--tasks", nargs="+", help=f"default: {' '.join(CPU_TASKS)}; on a GPU eight")
    parser.add_argument("--seeds", type=int, default=None, help="fine-tunings a task (default: 2; on a GPU 3)")
    parser.add_argument("--steps", type=int, default=None, help="optimiser steps of each (default: 40; on a GPU 1000)")
    parser.add_argument("--dev-every", type=int, default=None, help="steps (default: 20; on a GPU 200)")
    options = parser.parse_args()
    on_gpu = options.device == "cuda"
    options.tasks = options.tasks or (GPU_TASKS if on_gpu else CPU_TASKS)
    for name, cpu, gpu in (("seeds", 2, 3), ("steps", 40, 1000), ("dev_every", 20, 200)):
        setattr(options, name, getattr(options, name) or (gpu if on_gpu else cpu))
    with tempfile.TemporaryDirectory() as folder:
        if on_gpu:
            alone = Workers(0, 1, torch.device("cuda"))
            (own, scores), (again, known) = (ours(options, alone, ScoreCache(Path(folder) / "cache")) for _ in range(2))
        else:
            (own, scores), (again, known) = with_two_workers(options, folder)
        theirs, expected = trainers(options, folder)
    assert known == scores
    print(
        f"{len(scores)} fine-tunings of {options.steps} steps: {own:.1f} s, Trainer {theirs:.1f} s: {theirs / own:.2f}x"
    )
    print(f"again, every score known: {again * 1000:.0f} ms: {own / again:.0f}x")
    print(
        f"mean test MCC: ours {statistics.mean(scores.values()):.3f}, Trainer {statistics.mean(expected.values()):.3f}"
    )


if __name__ == "__main__":
    main()
