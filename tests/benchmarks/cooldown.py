"""Whether a cool-down branch stands for a run of its own: `python -m tests.benchmarks.cooldown`, some minutes.

On the embedded genome with the demo's model: for each budget and seed, the validation loss and the test score of the
branch that leaves a long run, against those of a run planned for the budget; and, for comparison, the trunk as it
passes. Paired over seeds; they agree if the mean difference lies within the spread of the seeds.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import torch

from study import tasks
from study.runs import default_run
from study.spec.evaluation import FULL
from study.spec.files import load
from study.spec.study import CONTROL
from study.trials.scorer import protocols
from tests import runs
from trainers import data
from trainers.evaluation.finetune import finetune
from trainers.models.pretrained import Pretrained
from trainers.pretraining.loop import Reached, pretrain
from trainers.settings import DataSettings, PretrainSettings

BUDGETS, HORIZON, COOLDOWN = [100, 200], 400, 0.3
DATA = DataSettings("embedded", k=2, length=59, block=20_000, validation_share=0.1, validation_rows=256, seed=0)


def measured(loaded: data.PretrainData, reached: Reached) -> tuple[float, float]:
    """Return validation loss and the mean test MCC of the demo's fine-tunings."""
    spec, pretrained = load("demo", []), Pretrained(reached.model, loaded.tokenizer)
    scores = [
        score.test["mcc"]
        for task, protocol, repetitions in protocols(
            spec, tasks.read(spec), default_run(spec, CONTROL, "control"), FULL
        )
        for repetition in repetitions
        for score in finetune(pretrained, task, protocol, [repetition], torch.device("cpu"))
    ]
    return reached.validation_loss, statistics.mean(scores)


def trained(
    loaded: data.PretrainData, settings: PretrainSettings, budgets: list[int]
) -> dict[int, tuple[float, float]]:
    """Return what was measured at each budget."""
    with tempfile.TemporaryDirectory() as folder:
        reached = pretrain(settings, loaded, budgets, Path(folder), runs.ALONE)
        return {one.state.step: measured(loaded, one) for one in reached}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    with tempfile.TemporaryDirectory() as folder:
        data.prepare(data.open_genome("embedded"), DATA, Path(folder))
        loaded, sha256 = data.load(DATA, Path(folder))
    ways: dict[str, list[dict[int, tuple[float, float]]]] = {"planned": [], "branch": [], "trunk": []}
    for seed in range(seeds):
        own = {"length": 59, "batch": 32, "warmup": 20, "validate_every": 50, "seed": seed, "curriculum": "constant"}

        def settings(horizon: int, cooldown: float, own: dict[str, object] = own) -> PretrainSettings:
            return runs.settings_of(sha256, horizon=horizon, cooldown=cooldown, **own)

        ways["branch"].append(trained(loaded, settings(HORIZON, COOLDOWN), BUDGETS))
        ways["trunk"].append(trained(loaded, settings(HORIZON, 0.0), BUDGETS))
        ways["planned"].append({k: v for b in BUDGETS for k, v in trained(loaded, settings(b, 0.0), [b]).items()})
    for budget in BUDGETS:
        for at, what in enumerate(("validation loss", "test MCC")):
            planned = [run[budget][at] for run in ways["planned"]]
            spread = statistics.stdev(planned)
            print(f"{budget} steps, {what}: planned {statistics.mean(planned):.4f}, spread of the seeds {spread:.4f}")
            for way in ("branch", "trunk"):
                differences = [run[budget][at] - plan for run, plan in zip(ways[way], planned, strict=True)]
                mean = statistics.mean(differences)
                within = "within" if abs(mean) <= spread else "beyond"
                print(f"  {way:8s}{mean:+.4f} on average, {within} the spread ({mean / spread:+.2f} of it)")


if __name__ == "__main__":
    main()
