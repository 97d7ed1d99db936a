"""Logistic regression whose regularisation the dev split chooses."""

import math
import warnings

import numpy as np
import pytest

from trainers.evaluation import linear


def blobs(rows: int, seed: int, distance: float, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Clouds of 20 numbers around centres that lie `distance` from each other along one axis a class."""
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    points = generator.normal(size=(rows, 20))
    points[np.arange(rows), labels] += distance
    return points.astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_far_apart_are_told_apart(classes):
    fit = linear.fit(*blobs(60, 0, 6.0, classes), *blobs(30, 1, 6.0, classes))
    features, labels = blobs(90, 2, 6.0, classes)
    assert np.mean(fit.predict(features) == labels) > 0.95
    assert fit.dev_loss == fit.losses_N.mean()
    assert fit.dev_loss < 0.3


def test_noise_is_regularised_more_than_a_clear_signal():
    clear = linear.fit(*blobs(60, 0, 6.0), *blobs(200, 1, 6.0))
    noise = linear.fit(*blobs(60, 0, 0.0), *blobs(200, 1, 0.0))
    assert clear.model.C > noise.model.C
    assert noise.dev_loss == pytest.approx(math.log(2), abs=0.05)


def test_a_weaker_regularisation_must_be_clearly_better_on_dev():
    train, (features, labels) = blobs(60, 0, 6.0), blobs(200, 1, 6.0)
    assert linear.fit(*train, features, labels).model.C > 1e-3
    assert linear.fit(*train, features[:1], labels[:1]).model.C > 1e-3  # one row has no standard error
    turned = np.where(np.arange(200) < 100, labels, 1 - labels)  # what helps one half harms the other
    assert linear.fit(*train, features, turned).model.C == 1e-4


def test_a_class_that_train_lacks_is_costly_in_dev_and_never_predicted():
    features, labels = blobs(60, 0, 6.0, 3)
    known = labels != 1
    fit = linear.fit(features[known], labels[known], features, labels)
    assert set(fit.predict(features)) <= {0, 2}
    assert fit.losses_N[labels == 1] == pytest.approx(-math.log(1e-7))
    last = linear.fit(features[labels < 2], labels[labels < 2], features, labels)
    assert last.losses_N[labels == 2] == pytest.approx(-math.log(1e-7))


def test_one_class_in_train_is_what_is_predicted():
    features, labels = blobs(10, 0, 6.0)
    fit = linear.fit(features[labels == 1], labels[labels == 1], features, labels)
    assert fit.predict(features).tolist() == [1] * 10
    assert fit.dev_loss == pytest.approx(-math.log(1e-7) / 2)


def test_one_class_in_dev_still_chooses():
    features, labels = blobs(30, 1, 6.0)
    fit = linear.fit(*blobs(60, 0, 6.0), features[labels == 0], labels[labels == 0])
    assert np.mean(fit.predict(features) == labels) > 0.8


def test_steps_that_do_not_suffice_are_no_warning(monkeypatch):
    monkeypatch.setattr(linear, "_MOST_STEPS", 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first, second = (linear.fit(*blobs(60, 0, 2.0), *blobs(30, 1, 2.0)) for _ in range(2))
    assert not caught
    assert first.losses_N.tolist() == second.losses_N.tolist()
