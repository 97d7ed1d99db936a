"""A linear probe: logistic regression on what the frozen encoder makes of each sequence."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from trainers.evaluation import linear, metrics, rows
from trainers.evaluation.metrics import TaskScores
from trainers.evaluation.protocol import Protocol
from trainers.models.parts import encoder_of
from trainers.models.pretrained import Pretrained
from trainers.tasks.task import EvaluationTask
from trainers.tokens.tokenizer import Tokenizer


def linear_probe(
    pretrained: Pretrained, task: EvaluationTask, protocol: Protocol, repetition: int, device: torch.device
) -> TaskScores:
    """Score logistic regression on the last hidden states, averaged over a row's tokens and standardised.

    The average is over all real tokens, special ones included: fine-tuning with mean pooling reads the same, so that
    probe and fine-tuning differ in training alone. [CLS] by itself is not read, whatever `pooling` says: masked
    language modelling never asks anything of it.

    Args:
        pretrained: Left as it is, training mode included; on the device or the CPU.
        task: Dev chooses the regularisation; test is read once.
        protocol: `shots` and `share` say which training examples are used; nothing else of it is read.
        repetition: With `shots` or `share`, which examples. Nothing else is random.
        device: Where the encoder computes.

    Raises:
        InputError: a class has fewer training examples than `shots`, or a sequence is too short for the tokenizer.
    """
    encoder = copy.deepcopy(encoder_of(pretrained.model)).to(device).eval()
    train = task.training(protocol.shots, protocol.share, repetition)
    dev, test = task.splits["dev"], task.splits["test"]
    train_NH, dev_NH, test_NH = (
        features(encoder, pretrained.tokenizer, split.sequences, device) for split in (train, dev, test)
    )
    mean_H, spread_H = train_NH.mean(axis=0), train_NH.std(axis=0)
    spread_H[spread_H == 0] = 1.0
    train_NH, dev_NH, test_NH = ((one_NH - mean_H) / spread_H for one_NH in (train_NH, dev_NH, test_NH))
    best = linear.fit(train_NH, train.labels, dev_NH, dev.labels)
    return TaskScores(
        metrics.score(dev.labels, best.predict(dev_NH)), metrics.score(test.labels, best.predict(test_NH))
    )


def features(
    encoder: PreTrainedModel, tokenizer: Tokenizer, sequences: Sequence[str], device: torch.device
) -> NDArray[np.float32]:
    """Return the mean over the real tokens' last hidden states, special tokens included, shape (N, H).

    Args:
        encoder: On the device, in evaluation mode.
        tokenizer: The encoder's.
        sequences: Of any lengths; rows of like length are read together.
        device: Where to compute.

    Raises:
        InputError: a sequence is too short for the tokenizer.
    """
    tokens = rows.tokens(tokenizer, sequences, device)
    found = rows.features(tokens, encoder, tokenizer.specials.pad, "mean")
    features_NH: NDArray[np.float32] = found.inputs.float().cpu().numpy()
    return features_NH
