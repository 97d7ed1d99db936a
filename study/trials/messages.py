"""What trials and the driver tell each other: scores, whether to go on after a budget, and what people should know."""

from pathlib import Path

OBJECTIVE = "objective"
IN_WORDS = "scores"
COST = "cost"  # reported where `search.cost` names one
FULL = "disk_full"
GO_ON, STOP = "go on", "stop"


def decision_path(folder: Path, run: str, budget: int) -> Path:
    """Return the file by which the driver tells a trial to go on after a budget, or to stop."""
    return folder / "runs" / run / f"decision-{budget}"


def notices_path(folder: Path) -> Path:
    """Return the file whose lines the driver shows."""
    return folder / "scratch" / "notices"


def leave_notice(folder: Path, line: str) -> None:
    """Have the driver say a line."""
    with notices_path(folder).open("a") as file:
        file.write(f"{line}\n")
