"""Logistic regression on features of sequences; the dev split chooses how strongly it is regularised."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

_INVERSE_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # scikit-learn's C
_MOST_STEPS = 100  # of Newton's method, which takes about ten
_LEAST_PROBABILITY = 1e-7  # so that a class without training examples costs much, but not infinitely much


@dataclass(frozen=True)
class Fit:
    """A fitted classifier, and the loss of each dev row in nats, shape (dev rows,)."""

    model: ClassifierMixin
    losses_N: NDArray[np.float64]

    @property
    def dev_loss(self) -> float:
        """Mean over the dev rows."""
        return float(self.losses_N.mean())

    def predict(self, features_NF: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the most probable class of each row, shape (N,)."""
        predicted_N: NDArray[np.int64] = self.model.predict(features_NF)
        return predicted_N


def fit(
    train_NF: NDArray[np.float32],
    train_N: NDArray[np.int64],
    dev_NF: NDArray[np.float32],
    dev_N: NDArray[np.int64],
) -> Fit:
    """Fit classifiers on train, from the strongest regularisation on, until a weaker one is not clearly better on dev.

    Better is a lower mean loss, by more than the standard error of the rows' differences: on a small dev split chance
    alone would often weaken the regularisation. The loss decides, and not the MCC, as it moves with every row and has
    a value where dev holds one class only.

    Args:
        train_NF: Features, shape (train rows, F), of like scales.
        train_N: Their classes; where all are one class, that is what is predicted.
        dev_NF: Features, shape (dev rows, F).
        dev_N: Their classes.

    Returns:
        The last classifier that was clearly better than the one before.
    """
    if len(np.unique(train_N)) == 1:
        return _fit(DummyClassifier(strategy="prior"), train_NF, train_N, dev_NF, dev_N)
    models = [LogisticRegression(C=one, solver="newton-cg", max_iter=_MOST_STEPS) for one in _INVERSE_STRENGTHS]
    best = _fit(models[0], train_NF, train_N, dev_NF, dev_N)
    for model in models[1:]:
        found = _fit(model, train_NF, train_N, dev_NF, dev_N)
        gains_N = best.losses_N - found.losses_N
        if gains_N.mean() <= gains_N.std() / len(gains_N) ** 0.5:
            break
        best = found
    return best


def _fit(
    model: ClassifierMixin,
    train_NF: NDArray[np.float32],
    train_N: NDArray[np.int64],
    dev_NF: NDArray[np.float32],
    dev_N: NDArray[np.int64],
) -> Fit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a control that has not quite converged is a control all the same
        model.fit(train_NF, train_N)
    probabilities_NC = np.zeros((len(dev_N), 1 + max(int(model.classes_.max()), int(dev_N.max()))))
    probabilities_NC[:, model.classes_] = model.predict_proba(dev_NF)
    of_truth_N = probabilities_NC[np.arange(len(dev_N)), dev_N]
    return Fit(model, -np.log(np.maximum(of_truth_N, _LEAST_PROBABILITY)))
