"""What the rows of a study show: differences with intervals, controls, claims."""
