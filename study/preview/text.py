"""A preview in words, and as a table for the terminal."""

import itertools

import numpy as np
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from study.preview.lines import Line, Preview
from study.preview.replay import Example, Measured
from study.preview.tally import HIDDEN, READABLE
from study.schedule import Firing, asked_in_words, even_steps, in_words, label
from trainers.models.presets import preset

COLUMNS = {  # name: what it says
    "strategy": "with its share of the batches, and the NPMI quantile from which tokens may be centres",
    "step": "optimiser steps done",
    "at": "share of the horizon",
    "asked": "masking rate that the curriculum asks for",
    "realised": "masked share of the tokens",
    "hidden": "share of the bases that no visible token covers",
    "run": "mean length of a run of masked tokens",
    "hides": "bases that such a run hides, mean",
    "NPMI": "median over the masked tokens",
}
LEFT_ALIGNED = {"strategy"}
WHOLE_TOKENS = {"blocks": "k-mers that do not overlap", "bpe": "tokens of byte-pair encoding"}
MARKS = {HIDDEN: "#", READABLE: "-"}
_FIRINGS_SHOWN = 5
_WIDTH = 140  # of a table that goes to a file or pipe


def facts(preview: Preview) -> str:
    """Return what was replayed, in a sentence."""
    part = preview.spec.pretraining
    return (
        f"horizon {preview.horizon:,} steps of {part.batch} x {part.length} tokens, {preview.spec.model.k}-mers of "
        f"{preview.genome}, budget {part.masking.value}, seed {preview.spec.seed}"
    )


def arguments_in_words(line: Line) -> str:
    """Return the arguments of a curriculum."""
    return ", ".join(f"{name}={value}" for name, value in line.arguments.items()) or "no arguments"


def shares_in_words(measured: Measured) -> str:
    """Return the strategies with their shares and thresholds, the largest first; one alone needs no share."""
    phrases: dict[str, float] = {}
    for weight, masking in measured.asked.parts:
        phrase = label(masking) + (f" >= {masking.min_quantile:.2f}" if masking.min_quantile else "")
        if weight:
            phrases[phrase] = phrases.get(phrase, 0.0) + weight
    if len(phrases) == 1:
        return next(iter(phrases))
    return ", ".join(f"{phrase} {share:.0%}" for phrase, share in sorted(phrases.items(), key=lambda item: -item[1]))


def mean_run(measured: Measured) -> tuple[float, float]:
    """Return the mean length of a run of masked tokens, and the nucleotides that it hides completely."""
    runs = measured.tally.run_tokens
    if not runs.sum():
        return 0.0, 0.0
    hidden = measured.tally.run_bases
    return float(runs @ np.arange(len(runs)) / runs.sum()), float(hidden @ np.arange(len(hidden)) / hidden.sum())


def table_rows(preview: Preview) -> list[tuple[Line, Measured]]:
    """Return curriculum and moment of each row of the table: start, quarters, end."""
    return [
        (line, measured)
        for line in preview.lines
        for measured in line.measured
        if measured.step in even_steps(line.schedule, 4)
    ]


def cells(preview: Preview, measured: Measured) -> tuple[str, ...]:
    """Return a row of the table, without the name of the curriculum."""
    tokens, bases = mean_run(measured)
    median = measured.npmi[1]
    return (
        shares_in_words(measured),
        f"{measured.step:,}",
        f"{measured.step / preview.horizon:.0%}",
        f"{measured.rate_asked:.1%}",
        f"{measured.tally.rate:.1%}",
        f"{measured.bases_hidden:.1%}",
        f"{tokens:.1f}",
        f"{bases:.1f}",
        "none" if np.isnan(median) else f"{median:+.3f}",
    )


def notes(preview: Preview) -> list[str]:
    """Return what to compare the numbers of the table with."""
    low, middle, high = preview.npmi_of_all
    error = max(measured.tally.error for _, measured in table_rows(preview))
    tokens = preset(preview.spec.model.preset).tokens
    said = [
        f"The realised rate has a standard error of up to {100 * error:.1f} points, from chance in the rows looked at.",
        f"NPMI of all tokens of the corpus: median {middle:+.3f}, 10 % below {low:+.3f}, 10 % above {high:+.3f}.",
    ]
    if tokens != "overlapping":
        said.append(
            f"All of this is about overlapping {preview.spec.model.k}-mers, but for the realised rate: the model reads "
            f"{WHOLE_TOKENS[tokens]}, those that hold a hidden base are masked whole, and their share is meant."
        )
    return said


def trigger_lines(preview: Preview) -> list[str]:
    """Return where the loss curve changes a curriculum, or that nothing was measured."""
    if not preview.curve.evaluations:
        return ["No loss curve was given: curricula that react to perplexity are shown as if nothing was measured."]
    newest = preview.curve.evaluations[-1]
    said = []
    if newest.step < preview.horizon - 1:
        said.append(f"The curve ends at step {newest.step:,}: beyond it nothing new is measured.")
    elif newest.step > preview.horizon - 1:
        said.append(f"Evaluations after step {preview.horizon - 1:,}, the last one, are left out.")
    for line in preview.lines:
        said += [firing_in_words(line, firing) for firing in line.firings[:_FIRINGS_SHOWN]]
        if len(line.firings) > _FIRINGS_SHOWN:
            said.append(f"{line.schedule.name} fires {len(line.firings) - _FIRINGS_SHOWN:,} more times")
    quiet = [line.schedule.name for line in preview.lines if not line.firings]
    if quiet:
        said.append(f"This curve changes nothing for {', '.join(quiet)}.")
    return said


def firing_in_words(line: Line, firing: Firing) -> str:
    """Return where a curriculum reacts to the curve, and how."""
    measured = f"perplexity {firing.evaluation.perplexity:.4g}"
    if firing.evaluation.step != firing.step:
        measured += f", measured at step {firing.evaluation.step:,}"
    change = f"{asked_in_words(firing.before)} -> {asked_in_words(firing.after)}"
    return f"{line.schedule.name} fires at step {firing.step:,} ({measured}): {change}"


def example_in_words(preview: Preview, example: Example) -> str:
    """Return when a stretch is masked, and how."""
    share = "" if example.weight == 1 else f", {example.weight:.0%} of the batches"
    return f"step {example.step:,} ({example.step / preview.horizon:.0%}){share}: {in_words(example.masking)}"


def _table(preview: Preview) -> Table:
    """Fit 80 columns: the name of a curriculum stands above its rows, and only strategies may be wrapped."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in COLUMNS:
        left = name in LEFT_ALIGNED
        shown.add_column(name, justify="left" if left else "right", no_wrap=not left, overflow="fold")
    for line, rows in itertools.groupby(table_rows(preview), lambda row: row[0]):
        shown.add_row(Text(line.schedule.name, style="bold"))
        for _, measured in rows:
            strategy, *others = cells(preview, measured)
            shown.add_row(Padding(strategy, (0, 0, 0, 2)), *others)
    return shown


def print_preview(preview: Preview) -> None:
    """Print table, triggers and examples."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)

    def say(text: str = "", indented: str = "") -> None:
        console.print(f"{indented}{text}", markup=False, soft_wrap=True)

    def explain(text: str) -> None:
        console.print(text, markup=False, style="dim")

    say(f"{preview.spec.name}: what each curriculum hides; {facts(preview)}")
    console.print(_table(preview))
    explain("; ".join(f"{name}: {meaning}" for name, meaning in COLUMNS.items()) + ".")
    explain(" ".join(notes(preview)))
    say()
    for text in trigger_lines(preview):
        say(text)
    say()
    explain(
        f"One stretch of DNA under each curriculum; {MARKS[HIDDEN]} is a base that no visible token covers, "
        f"{MARKS[READABLE]} one that a masked token covers but a visible one still shows:"
    )
    for line in preview.lines:
        say()
        say(f"{line.schedule.name} ({arguments_in_words(line)})")
        for example in line.examples:
            say(example_in_words(preview, example), "  ")
            say(example.letters, "    ")
            say("".join(MARKS.get(int(state), " ") for state in example.states).rstrip() or "(nothing)", "    ")
