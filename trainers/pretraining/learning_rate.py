"""The learning rate of a step, on the trunk and on the short branches that cool down to a budget."""

import math

from trainers.settings import PretrainSettings


def learning_rate(settings: PretrainSettings, step: int) -> float:
    """Return the rate of the step that follows `step` finished ones; 0 at the horizon under every schedule.

    All warm up in a straight line over `warmup` steps. Then `linear` falls to the horizon (BERT, arXiv 1810.04805,
    appendix A.2), `cosine` along half a wave (arXiv 1608.03983), and `wsd` stays until the last `decay` of the horizon
    and falls there (warm-up-stable-decay, arXiv 2404.06395, section 4).
    """
    warm = min(1.0, (step + 1) / max(1, settings.warmup))
    return settings.learning_rate * min(warm, _falling(settings, step))


def _falling(settings: PretrainSettings, step: int) -> float:
    horizon, after_warmup = settings.horizon, max(1, settings.horizon - settings.warmup)
    if settings.schedule == "cosine":
        done = min(1.0, max(0.0, (step - settings.warmup) / after_warmup))
        return 0.5 * (1 + math.cos(math.pi * done))
    if settings.schedule == "wsd":
        return min(1.0, (horizon - step) / max(1, round(settings.decay * horizon)))
    return (horizon - step) / after_warmup


def fork_of(settings: PretrainSettings, budget: int) -> int:
    """Return the step at which the branch to a budget leaves the trunk; the budget itself where none does.

    A branch takes the last `cooldown` of its budget, so that its end has cost as many steps as a run planned for the
    budget (arXiv 2405.18392, section 4). The trunk's own schedule ends at the horizon, which needs no branch.
    """
    return budget if budget == settings.horizon else budget - round(settings.cooldown * budget)


def cooling(fork: int, budget: int, step: int) -> float:
    """Return the share of the trunk's rate on a branch: a straight line from 1 at the fork to 0 at the budget."""
    return (budget - step) / (budget - fork)
