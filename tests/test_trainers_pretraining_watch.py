"""A training that has gone wrong is stopped, with the step and the last good checkpoint."""

import math

import pytest
import torch

from tests import runs
from trainers.pretraining.watch import Watch

VOCABULARY = 21


def noted(*steps: tuple[float, float]) -> Watch:
    """Watch some steps: the norm of the gradient, and the loss of each of ten masked tokens."""
    watch = Watch(runs.ALONE, VOCABULARY)
    for step, (norm, loss) in enumerate(steps):
        watch.note(step, torch.tensor(norm), torch.tensor(10 * loss), torch.tensor(10))
    return watch


def test_a_sound_training_goes_on():
    watch = noted((1.0, 3.0), (1e30, 2.0))
    watch.look(2, None)
    watch.look(2, None)  # nothing was noted in between


@pytest.mark.parametrize("norm", [math.inf, math.nan])
def test_the_first_gradient_that_is_not_finite_is_named(norm):
    watch = noted((1.0, 3.0), (norm, 3.0), (math.nan, math.nan))
    message = "the gradient is not finite at step 1; lower the learning rate; the last good checkpoint is 40"
    with pytest.raises(FloatingPointError, match=message):
        watch.look(3, 40)


@pytest.mark.parametrize("loss", [9.2, math.nan, math.inf])
def test_a_loss_of_three_times_guessing_is_an_explosion(loss):
    message = r"the loss exploded: .* before step 1, where guessing costs 3.04.*there is no checkpoint before it"
    with pytest.raises(FloatingPointError, match=message):
        noted((1.0, loss)).look(1, None)


def test_a_high_loss_is_forgotten_after_a_look():
    watch = noted((1.0, 9.0))
    watch.look(1, None)
    watch.note(1, torch.tensor(1.0), torch.tensor(92.0), torch.tensor(10))
    with pytest.raises(FloatingPointError):
        watch.look(2, None)
