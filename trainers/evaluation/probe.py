"""A linear probe: logistic regression on what the frozen encoder makes of each sequence."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray

from trainers.evaluation import linear, metrics, rows
from trainers.evaluation.metrics import TaskScores
from trainers.evaluation.protocol import Protocol
from trainers.models.parts import encoder_of
from trainers.models.pretrained import Pretrained
from trainers.tasks.task import EvaluationTask, Examples


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
    """
    encoder = copy.deepcopy(encoder_of(pretrained.model)).to(device).eval()
    tokenizer = pretrained.tokenizer

    def read(examples: Examples) -> NDArray[np.float32]:
        tokens = rows.tokens(tokenizer, examples.sequences, device)
        features = rows.features(tokens, encoder, tokenizer.specials.pad, "mean")
        features_NH: NDArray[np.float32] = features.inputs.float().cpu().numpy()
        return features_NH

    train, dev, test = (
        task.training(protocol.shots, protocol.share, repetition),
        task.splits["dev"],
        task.splits["test"],
    )
    train_NH = read(train)
    mean_H, spread_H = train_NH.mean(axis=0), train_NH.std(axis=0)
    spread_H[spread_H == 0] = 1.0

    def standardised(features_NH: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled_NH: NDArray[np.float32] = (features_NH - mean_H) / spread_H
        return scaled_NH

    dev_NH = standardised(read(dev))
    best = linear.fit(standardised(train_NH), train.labels, dev_NH, dev.labels)
    return TaskScores(
        metrics.score(dev.labels, best.predict(dev_NH)),
        metrics.score(test.labels, best.predict(standardised(read(test)))),
    )
