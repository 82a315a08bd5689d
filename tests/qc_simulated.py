"""Simulated images as rows of numbers: what the evidence reads of them beside the truth."""

import numpy as np
import pandas as pd

from levelfield.qc.evidence.calibration import INDICATORS
from levelfield.qc.evidence.scores import ALL_VARIANTS, OF_VARIANTS
from levelfield.qc.train.plates import COLUMNS, ControlClass, Plate, with_measures

LOOKS = sorted({"diameter", *(name for names in INDICATORS.values() for name in names)})
SHIFTING = ("diameter", "sharpness", "contrast", "grain")


def images(rng, number, *, n=60, appearance=0.0, error=0.0, **rates):
    """Field table of some images; rates: splits, merges, missed, invented, and bias in px.

    The evidence reads the truth, and `error` more of every rate.
    """
    true = {
        name: rng.binomial(n, rates.get(name, 0.02), number).astype(float)
        for name in ("splits", "merges", "missed", "invented")
    }
    read = {name: value + error * n for name, value in true.items()}
    count = np.full(number, float(n))
    bias = rates.get("bias", 0.0) + rng.normal(0, 0.1, number)
    right = np.maximum(n - 2 * true["splits"] - true["merges"] - true["invented"], 0)
    table = pd.DataFrame(
        {
            "n": count,
            "n_second_opinion": count,
            "true_n": count - true["splits"] - true["invented"] + true["merges"] + true["missed"],
            "true_missed": true["missed"],
            "true_excess": true["splits"],
            "true_lacking": true["merges"],
            "true_merges": true["merges"],
            "true_invented": true["invented"],
            "true_right": right,
            "reference_bias_px": 0.2,
            "true_outline_px": bias - 0.2,
            "bias": bias + error,
            **{name: read[name] for name in ("splits", "merges", "missed", "invented")},
            "lacking": read["merges"],
            "balance": read["splits"] - read["merges"],
            "right": np.maximum(right - error * n, 0),
            "saturated": 0.0,
            "outside": 0.0,
            **{
                f"look_{name}": appearance * (name in SHIFTING) + rng.normal(0, 0.05, number)
                for name in LOOKS
            },
        }
    )
    variants = {f"{m}_{v}": table[m] for m in OF_VARIANTS for v in ALL_VARIANTS}
    return table.assign(**variants)


def fields_of_group(rng, group, settings, *, number=12, kind="classical", phenotype="none", **of):
    """Rows of one group in several settings: {(setting, planted): rates}."""
    parts = []
    for (setting, planted), rates in settings.items():
        head = {"group": group, "kind": kind, "setting": setting, "planted": planted}
        parts.append(
            images(rng, number, **of, **rates).assign(
                image=[f"i{k:02d}" for k in range(number)],
                half=np.arange(number) % 2,
                phenotype=phenotype,
                beside=phenotype,
                **head,
            )
        )
    return pd.concat(parts, ignore_index=True)


def control_class(rng, number=16, **options):
    return ControlClass(with_measures(images(rng, number, **options))[list(COLUMNS)].to_numpy())


def plate(negative, positive, seed=0, **options):
    """Plate of two simulated classes, each a dict of rates."""
    rng = np.random.default_rng(seed)
    classes = [control_class(rng, **options, **rates) for rates in (negative, positive)]
    return Plate("256x256_1", "classical", "planted", "", *classes)
