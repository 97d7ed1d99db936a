"""How a task is scored, and what is published about it. Plain data; loads neither torch nor transformers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trainers.tasks import few_shot, gue

Method = Literal["finetune", "probe", "counts", "cnn"]
Trained = Literal["full", "lora", "head"]
Pooling = Literal["cls", "mean"]
Metric = Literal["mcc", "macro_f1", "accuracy"]


@dataclass(frozen=True)
class Protocol:
    """How a task is scored.

    Attributes:
        epochs: Passes over the training examples.
        batch: Sequences an optimiser step.
        learning_rate: Peak; linear warm-up and decay.
        warmup: Share of the steps spent warming up, in [0, 1).
        weight_decay: AdamW's.
        pooling: What the classifier sees: BERT's pooled [CLS], or the mean over the tokens.
        dev_every: Steps between looks at the dev loss, of which the best model is kept; 0 keeps the last model.
        shots: Training examples a class; 0 for all.
        warmup_steps: Optimiser steps spent warming up, in place of `warmup`.
        max_steps: Optimiser steps after which training ends, whatever the epochs; 0 for no such end.
        share: Part of the training examples, in (0, 1]; `Examples` of a (share, repetition) are always the same.
        method: `finetune` trains encoder and head; `probe` a linear classifier on frozen features; `counts` and `cnn`
            read the letters themselves and no pretrained model.
        trained: What fine-tuning changes: everything, low-rank additions to attention (LoRA, arXiv 2106.09685), or the
            head alone.
        rank: Of LoRA's additions.
        patience: Looks at the dev loss without a better one, after which training ends; 0 never ends it.
        class_weights: Whether the loss weighs classes by the inverse of their frequency.
    """

    epochs: int
    batch: int
    learning_rate: float
    warmup: float
    weight_decay: float
    pooling: Pooling
    dev_every: int
    shots: int
    warmup_steps: int | None = None
    max_steps: int = 0
    share: float = 1.0
    method: Method = "finetune"
    trained: Trained = "full"
    rank: int = 8
    patience: int = 0
    class_weights: bool = False

    def steps(self, examples: int) -> int:
        """Return the optimiser steps of fine-tuning on so many training examples, unless patience ends it."""
        whole = -(-examples // self.batch) * self.epochs
        return min(whole, self.max_steps) if self.max_steps else whole


DEFAULT = Protocol(
    epochs=3,
    batch=32,
    learning_rate=3e-5,
    warmup=0.1,
    weight_decay=0.01,
    pooling="cls",
    dev_every=200,
    shots=0,
)
_EPOCHS = {"EMP": 3, "prom": 4, "splice": 5, "tf": 3, "mouse": 1000, "virus": 9}  # mouse ends by its steps
_WARMUP_STEPS = {"tf": 30, "mouse": 30}
_MOUSE_STEPS = 1000
_FEW_SHOT_DRAWS = 10


def published(name: str, shots: int = 0) -> Mapping[str, Any]:
    """Return how a task is fine-tuned by those who published it: fields of `Protocol`, and `repetitions` of a draw.

    GUE: the reference scripts of DNABERT-2 (arXiv 2306.15006), a seed for each repetition in place of their one.
    Few shots: ten draws, no dev set (CM-GEMS, arXiv 2408.07180). Nothing for other tasks.
    """
    if shots:
        few = (
            {"learning_rate": 4e-4, "epochs": 20, "batch": 5} if shots <= 100 else {"learning_rate": 5e-5, "epochs": 5}
        )
        return {**few, "warmup": 0.1, "dev_every": 0, "repetitions": _FEW_SHOT_DRAWS} if name in few_shot.SETS else {}
    if name not in gue.TABLE:
        return {}
    group, _, rest = name.partition("/")
    settings: dict[str, Any] = {
        "learning_rate": 3e-5,
        "epochs": 10 if rest.endswith("_tata") else _EPOCHS[group],
        "dev_every": 400 if group == "prom" and not rest.endswith("_tata") else 200,
        "warmup_steps": _WARMUP_STEPS.get(group, 50),
    }
    return settings | ({"max_steps": _MOUSE_STEPS} if group == "mouse" else {})


def metric_of(name: str) -> Metric:
    """Return the metric by which a task is published; MCC where none is."""
    if name in few_shot.SETS:
        return "accuracy"
    return gue.TABLE[name].metric if name in gue.TABLE else "mcc"
