"""What all pictures of a report share: colours, marks, margins."""

from typing import Any

from study.evidence.summary import Summary

# Okabe and Ito's palette: told apart with every kind of colour vision; dashes tell lines apart in grey
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star")
LAYOUT: dict[str, Any] = {
    "template": "plotly_white",
    "font": {"family": "system-ui, sans-serif", "size": 14},
    "margin": {"l": 60, "r": 44, "t": 20, "b": 50},
    "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0)"},  # beside the picture: above it is the legend
    "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    "height": 420,
}


def style_numbers(summary: Summary) -> dict[str, int]:
    """Return the number of each curriculum's style, the same in every picture."""
    return {name: number for number, name in enumerate(sorted(summary.spec.curricula))}


def style_of(number: int) -> dict[str, dict[str, object]]:
    """Return colour, dashes and marker."""
    colour = number % len(COLOURS)
    shape = (number + number // len(COLOURS)) % len(COLOURS)  # the eighth has the first one's colour, another shape
    return {
        "line": {"color": COLOURS[colour], "dash": DASHES[shape], "width": 2.5},
        "marker": {"symbol": MARKERS[shape], "size": 9},
    }
