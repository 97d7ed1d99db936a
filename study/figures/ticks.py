"""Round numbers for the axes of pictures, where plotly's own would be too many or unlike."""

import math


def round_numbers(low: float, high: float, is_log: bool = False, most: int = 5) -> list[float]:
    """Return at most some round numbers from `low` to `high`; the ends themselves where there are no two."""
    found = _of_magnitudes(low, high, most) if is_log else _evenly(low, high, most)
    return found if len(found) > 1 else sorted({low, high})


def _evenly(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / (most - 1)
    if not rough > 0:
        return []
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _of_magnitudes(low: float, high: float, most: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in (range(1, 10), (1, 2, 5), (1, 3)):
        found = [float(f"{step}e{decade}") for decade in decades for step in steps]
        inside = [value for value in found if low * 0.999 <= value <= high * 1.001]
        if len(inside) <= most:
            return inside
    powers = [10.0**decade for decade in decades if low * 0.999 <= 10.0**decade <= high * 1.001]
    return powers[:: math.ceil(len(powers) / most)] if powers else []


def short(value: float) -> str:
    """Return a number as it fits below an axis."""
    return f"{value:.0e}".replace("e+", "e") if value >= 1e5 else f"{value:,.12g}"
