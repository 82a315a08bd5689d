"""What a row found, in words: values of its classes or their difference, and their interval."""

import numpy as np

from levelfield.qc.statistics.estimates import PASS_LEVEL, Estimate
from levelfield.qc.verdict.rows import Row
from levelfield.qc.wording.numbers import interval, measured, sentence
from levelfield.qc.wording.questions import CLASS_TITLES, name_of_row
from levelfield.questions import THRESHOLD


def found_words(row: Row) -> str:
    """Say what was measured, and in how many images for the threshold, in sentences."""
    if row.reason == "no_wells":
        missing = [f"the {CLASS_TITLES[name]}" for name in row.missing] or ["this control"]
        return (
            f"There are no usable wells of {' and '.join(missing)} with {row.object_set}, so this "
            "cannot be answered."
        )
    if row.reason == "nothing_measured" or not np.isfinite(row.estimate.value):
        if row.measure_name == "invented" and row.n_objects:
            return (
                f"Whether labels of {row.object_set} are invented was not measured: the second "
                "opinion knows nuclei alone."
            )
        return (
            f"Nothing could be measured for {row.object_set} in these wells: no objects, or no "
            "edge with contrast."
        )
    measure = row.measure
    words = measure.of_difference if row.scope == "difference" else measure.of_class
    value = row.estimate.value * measure.scale
    said = words.above if value >= 0 else words.below
    what = said.format(set=row.object_set, n=_size(abs(value), row))
    if row.at_floor:
        name = name_of_row(row.measure_name, row.scope, row.perturbation)
        what = f"the {name} is at the floor: no more than faultless labels read"
    if between := interval_of(row, row.estimate):
        what += f" (90 % interval {between})"
    if row.at_floor:
        return sentence(what)
    if row.scope == "difference":
        where = f"In the positive control {row.perturbation}, against its negative wells,"
        return f"{where} {what}.{_both(row)}"
    where = f"In the {CLASS_TITLES[row.scope]} {row.perturbation}".rstrip()
    return f"{where}, {what}.{_images(row)}"


def _size(value: float, row: Row) -> str:
    """Write a size; a share of objects is one in percent, its difference one in points."""
    if row.measure.kind(row.scope) == "rate":
        return f"{value:.1f} %"
    return measured(value, row.unit, signed=False)


def _both(row: Row) -> str:
    """Give the values of both classes, which say what is wrong where."""
    values = row.positive_value, row.negative_value
    if not np.isfinite(values).all():
        return ""
    unit, signed = row.measure.unit, row.measure.signed
    there, here = (measured(row.measure.scale * value, unit, signed=signed) for value in values)
    return f" It is {there} there and {here} in the negative wells."


def _images(row: Row) -> str:
    if row.question != THRESHOLD or not np.isfinite([row.fraction_low, row.fraction_high]).all():
        return ""
    low, high = (f"{100 * share:.0f} %" for share in (row.fraction_low, row.fraction_high))
    return f" The threshold is too low in {low} of the images and too high in {high}."


def value_words(row: Row, estimate: Estimate, label: str = "") -> str:
    """Write an estimate with its interval, where it is known: "+3.1 pp (1.0 to 5.2 pp)"."""
    value = measured(estimate.value * row.measure.scale, row.unit)
    between = interval_of(row, estimate)
    return f"{value} ({label}{between})" if between else value


def interval_of(row: Row, estimate: Estimate | None, level: float = PASS_LEVEL) -> str:
    """Write the interval of an estimate in the unit of a row; empty where it is not known."""
    if estimate is None:
        return ""
    _, low, high = estimate.in_units(row.measure.scale, level)
    return interval(low, high, row.unit)
