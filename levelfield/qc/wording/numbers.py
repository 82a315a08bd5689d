"""Numbers and counts as people read them: few digits, a real minus sign, a dash for nothing."""

import math

NOTHING = "–"
_DECIMALS = {"px": 2, "pp": 1, "%": 0}


def plain(value: float, digits: int = 3) -> str:
    """Write a number with `digits` significant digits: 1234 → "1,234", 0.00123 → "0.00123"."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return _minus("0" if text == "-0" else text)


def measured(value: float, unit: str, *, signed: bool = True) -> str:
    """Write an estimate with the decimals that its unit deserves: "+0.42 px", "−3.1 pp", "81 %"."""
    if value is None or not math.isfinite(value):
        return NOTHING
    decimals = _DECIMALS.get(unit, 2)
    value = round(value, decimals) + 0.0  # + 0.0 turns −0 into 0
    sign = "+" if signed and unit != "%" and value else ""
    return _minus(f"{value:{sign}.{decimals}f} {unit}")


def interval(low: float, high: float, unit: str) -> str:
    """Write an interval: "−1.01 to 0.97 px"; empty when it is unknown."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    decimals = _DECIMALS.get(unit, 2)
    low, high = round(low, decimals) + 0.0, round(high, decimals) + 0.0
    return _minus(f"{low:.{decimals}f} to {high:.{decimals}f} {unit}")


def count(number: int, singular: str) -> str:
    """Write a count with its noun: "1 well", "1,686 objects"."""
    return f"{int(number):,} {singular}{'s' * (number != 1)}"


def _minus(text: str) -> str:
    return text.replace("-", "−")


def sentence(text: str) -> str:
    """Return a text with a capital and a full stop; nothing of nothing."""
    return f"{text[0].upper()}{text[1:]}." if text else ""
