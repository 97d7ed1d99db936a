"""What a trial's workers and the driver tell each other: reported scores, and whether to go on after a budget."""

from pathlib import Path

OBJECTIVE = "objective"
COST = "cost"  # reported where `search.cost` names one
GO_ON, STOP = "go on", "stop"


def decision_path(folder: Path, run: str, budget: int) -> Path:
    """Return the file by which the driver tells a trial to go on after a budget, or to stop."""
    return folder / "runs" / run / f"decision-{budget}"
