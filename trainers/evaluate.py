"""Scores a model on evaluation tasks, without Ray: `python -m trainers.evaluate CHECKPOINT`; also under torchrun."""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch import distributed

from curricula import InputError
from curricula.errors import nearest
from trainers import embedded, storage
from trainers.evaluation.cache import Score, ScoreCache
from trainers.evaluation.protocol import DEFAULT, Method, Pooling, Protocol, Trained, metric_of, published
from trainers.evaluation.scoring import Job, jobs_of, score
from trainers.models.opened import opened, reading_of
from trainers.models.pretrained import Pretrained
from trainers.tasks import gue
from trainers.tasks.files import read_task
from trainers.tasks.task import SPLITS, EvaluationTask
from trainers.workers import Workers

NO_MODEL = "none"
_OWN = ("epochs", "batch", "learning_rate", "warmup", "weight_decay", "pooling", "dev_every", "max_steps", "patience")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.evaluate",
        description="Score a model on evaluation tasks: fine-tune a copy of it on each and print what it reaches on "
        "test. Tasks of GUE and few-shot sets have their published protocol unless an option says otherwise. Scores "
        "that are known are not computed again; under `torchrun --nproc-per-node N -m trainers.evaluate`, N processes "
        "share the work.",
    )
    add = parser.add_argument
    add("model", help="a checkpoint folder (step-...); a published model: a folder, or a name on the hub; or `none`")
    add(
        "--root", metavar="DIR", help="folder or s3:// URI with <group>/<task>/{train,dev,test}.csv (default: embedded)"
    )
    add("--tasks", nargs="+", metavar="NAME", help="names, or patterns such as 'tf/*' (default: all that are there)")
    add("--method", choices=get_args(Method), default="finetune", help="how (default: finetune); see --repetitions")
    add("--trained", choices=get_args(Trained), default="full", help="what fine-tuning changes (default: full)")
    add("--rank", type=int, default=DEFAULT.rank, help="of the additions of `lora` (default: 8)")
    add(
        "--repetitions",
        type=int,
        metavar="N",
        help="seeds, or draws of few shots (default: 1; published few-shots: 10)",
    )
    add("--shots", type=int, default=0, metavar="N", help="training examples a class (default: all)")
    add("--share", type=float, default=1.0, help="part of the training examples, in (0, 1] (default: 1)")
    add("--epochs", type=int, help="passes over the training examples (default: published, or 3)")
    add("--batch", type=int, help="sequences an optimiser step (default: published, or 32)")
    add("--learning-rate", type=float, help="peak (default: published, or 3e-5)")
    add("--warmup", type=float, help="share of the steps spent warming up, in [0, 1) (default: published, or 0.1)")
    add("--weight-decay", type=float, help="AdamW's (default: 0.01)")
    add("--pooling", choices=get_args(Pooling), help="what the classifier reads (default: cls)")
    add(
        "--dev-every",
        type=int,
        help="steps between looks at the dev loss; 0 keeps the last (default: published, or 200)",
    )
    add("--max-steps", type=int, help="steps after which training ends; 0: by epochs (default: published, or 0)")
    add("--patience", type=int, help="looks without a better dev loss that end training; 0: never (default: 0)")
    add("--class-weights", action="store_true", help="rare classes count as much as frequent ones")
    add(
        "--truncate",
        action="store_true",
        help="cut sequences that are too long for the model, instead of refusing them",
    )
    add("--allow-modified", action="store_true", help="go on with GUE tasks that are not the published ones")
    add("--cache", type=Path, metavar="DIR", help="folder of known scores (default: in the cache of this user)")
    add("--format", choices=("table", "json"), default="table", help="of what is printed (default: table)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Score and return the exit code: 0 done, 2 refused input, 130 interrupted."""
    options = _parser().parse_args(arguments)
    grouped = "RANK" in os.environ
    if grouped:
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    try:
        _evaluate(options)
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on with the scores that are missing", file=sys.stderr)
        return 130
    finally:
        if grouped:
            distributed.destroy_process_group()


def _evaluate(options: argparse.Namespace) -> None:
    asked = _protocols(options)
    needs_model = options.method in ("finetune", "probe")
    if needs_model == (options.model == NO_MODEL):
        raise InputError(
            f"finetune and probe read a model, counts and cnn take `{NO_MODEL}`, but got {options.model} with "
            f"--method {options.method}"
        )
    tasks = _tasks(options)
    pretrained = opened(options.model) if needs_model else None
    if pretrained is not None:
        reading = reading_of(pretrained, options.model)
        tasks = [task.fitted(reading, options.truncate) for task in tasks]
    workers = Workers.current()
    if pretrained is not None:
        pretrained.model.to(workers.device)
    jobs: list[Job] = []
    for task in tasks:
        protocol, repetitions = asked(task.name)
        if protocol.shots:
            task.few_shot(protocol.shots, 0)  # too few examples are told before anything is computed
        jobs += jobs_of(task, protocol, range(repetitions), workers.device)
    cache = ScoreCache(options.cache or storage.cache_folder() / "scores")
    found = _scored(pretrained, jobs, workers, cache)
    if workers.rank == 0:
        _show(tasks, found, options)


def _protocols(options: argparse.Namespace) -> Any:
    """Return a function from a task's name to its protocol and repetitions."""
    if not 0 < options.share <= 1:
        raise InputError(f"--share must lie in (0, 1], but got {options.share}")
    for name, least in (("repetitions", 1), ("epochs", 1), ("batch", 1), ("rank", 1), ("shots", 0), ("dev_every", 0)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise InputError(f"--{name.replace('_', '-')} must be at least {least}, but got {value}")
    own = {name: getattr(options, name) for name in _OWN if getattr(options, name) is not None}
    if "warmup" in own:
        own["warmup_steps"] = None
    fixed = {name: getattr(options, name) for name in ("method", "trained", "rank", "shots", "share", "class_weights")}

    def of(task: str) -> tuple[Protocol, int]:
        known = dict(published(task, options.shots))
        repetitions = int(options.repetitions or known.pop("repetitions", 1))
        known.pop("repetitions", None)
        return replace(DEFAULT, **{**known, **fixed, **own}), repetitions

    return of


def _tasks(options: argparse.Namespace) -> list[EvaluationTask]:
    """Read the tasks that were asked for.

    Raises:
        InputError: a name or pattern fits none, or a task of GUE is not the published one.
    """
    root = None if options.root is None else storage.local(options.root)
    known = list(embedded.TASKS) if root is None else _names_under(root)
    chosen: dict[str, None] = {}
    for name in options.tasks or known:
        fitting = [one for one in known if fnmatchcase(one, name)]
        if not fitting:
            raise InputError(f"there is no task `{name}` in {root or 'the package'}{nearest(name, known)}")
        chosen.update(dict.fromkeys(fitting))
    tasks = [embedded.task(name) if root is None else read_task(name, root / name) for name in chosen]
    if root is not None and not options.allow_modified:
        for task in tasks:
            if task.name in gue.TABLE:
                gue.verify(task)
    return tasks


def _names_under(root: Path) -> list[str]:
    folders = {path.parent for path in root.rglob("train.*") if path.suffix in (".csv", ".parquet")}
    return sorted(
        str(folder.relative_to(root)) for folder in folders if all(list(folder.glob(f"{split}.*")) for split in SPLITS)
    )


Found = dict[tuple[str, int], Score]


def _scored(pretrained: Pretrained | None, jobs: Sequence[Job], workers: Workers, cache: ScoreCache) -> Found:
    """Return every score, on every rank."""
    own: Found = {}
    columns = (
        TextColumn("fine-tunings"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=workers.rank > 0 or not console.is_terminal
    ) as bar:
        shown = bar.add_task("", total=sum(len(job.repetitions) for job in jobs) / workers.count)

        def on_score(job: Job, repetition: int, score: Score) -> None:
            own[job.task.name, repetition] = score
            bar.update(shown, advance=1, description=job.task.name)

        score(pretrained, jobs, workers, on_score, cache)
    return {key: value for part in workers.gather(own) for key, value in part.items()}


def _show(tasks: Iterable[EvaluationTask], found: Found, options: argparse.Namespace) -> None:
    rows = [
        {
            "model": options.model,
            "task": task,
            "repetition": repetition,
            "split": split,
            "seconds": score.seconds,
            **values,
        }
        for (task, repetition), score in sorted(found.items())
        for split, values in (("dev", score.scores.dev), ("test", score.scores.test))
    ]
    if options.format == "json":
        print(json.dumps(rows, indent=1))
        return
    way = options.method if options.method != "finetune" or options.trained == "full" else options.trained
    table = Table(title=f"{options.model}: test scores ({way})")
    for name in ("task", "metric", "test (mean ± SD)", "dev", "runs", "seconds"):
        table.add_column(name, justify="left" if name in ("task", "metric") else "right")
    means = []
    for task in tasks:
        metric, own = metric_of(task.name), [row for row in rows if row["task"] == task.name]
        test, dev = ([row[metric] for row in own if row["split"] == split] for split in ("test", "dev"))
        means.append(statistics.mean(test))
        spread = f" ± {statistics.stdev(test):.3f}" if len(test) > 1 else ""
        seconds = sum(row["seconds"] for row in own if row["split"] == "test")
        numbers = (f"{means[-1]:.3f}{spread}", f"{statistics.mean(dev):.3f}", str(len(test)), f"{seconds:.1f}")
        table.add_row(task.name, metric, *numbers)
        if task.card.get("truncated"):
            cut = ", ".join(f"{count} of {split}" for split, count in task.card["truncated"].items())
            print(f"{task.name}: cut to what the model can read: {cut}", file=sys.stderr)
    if len(means) > 1:
        table.add_row("mean over tasks", "", f"{statistics.mean(means):.3f}", "", "", "")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
