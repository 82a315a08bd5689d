"""Small plates for the tests of the QC, made of real images with planted errors."""

import numpy as np
import pandas as pd
from qc_images import load_nuclei
from real_images import BBBC038

from levelfield.qc.evidence.features import field_features
from levelfield.qc.evidence.scores import FIELD, VARIANT_COLUMNS

PLATE, SET = "P1", "Nuclei"


def group_images(group, count):
    index = pd.read_csv(BBBC038 / "index.csv")
    names = index.loc[index["group"] == group, "name"].head(count)
    return [load_nuclei(name) for name in names]


def layout(positive="B", negative="A", columns=12, group=""):
    """Rows A (negcon), B (poscon) and C (trt)."""
    kinds = {negative: "negcon", positive: "poscon", "C": "trt"}
    names = {negative: "DMSO", positive: "drug", "C": "compound"}
    return pd.DataFrame(
        [
            {
                "Metadata_Well": f"{row}{column:02d}",
                "Metadata_ControlType": kinds[row],
                "Metadata_Perturbation": names[row],
                "Metadata_Concentration": "",
                "Metadata_ControlGroup": group,
            }
            for row in sorted(kinds)
            for column in range(1, columns + 1)
        ]
    )


def features_of_wells(wells):
    """Features of {well: [(image, labels), ...]}, with the field's columns in front."""
    tables = {"objects": [], "pairs": []}
    for well, fields in wells.items():
        for site, (image, labels) in enumerate(fields, start=1):
            found = field_features(labels, image)
            for name, table in (("objects", found.objects), ("pairs", found.pairs)):
                tables[name].append(with_field(table, well, site))
    return tuple(pd.concat(parts, ignore_index=True) for parts in tables.values())


def with_field(table, well, site, plate=PLATE, object_set=SET):
    table = table.copy()
    for place, (name, value) in enumerate(
        {
            "Metadata_Plate": plate,
            "Metadata_Well": well,
            "Metadata_Site": site,
            "object_set": object_set,
        }.items()
    ):
        table.insert(place, name, value)
    return table


def fields_of(wells):
    return pd.DataFrame(
        [
            {"Metadata_Plate": PLATE, "Metadata_Well": well, "Metadata_Site": site}
            for well, fields in wells.items()
            for site in range(1, len(fields) + 1)
        ]
    )


def invented_objects(wells, *, merge=0.05, bias=0.0, count=60, seed=0):
    """Scored objects without pixels: {well: {"merge": rate, "split": rate, "bias": px}}."""
    rng = np.random.default_rng(seed)
    tables = []
    for well, planted in wells.items():
        number = planted.get("count", count)
        tables.append(
            pd.DataFrame(
                {
                    "Metadata_Plate": PLATE,
                    "Metadata_Well": well,
                    "Metadata_Site": 1 + np.arange(number) % 2,
                    "object_set": SET,
                    "Metadata_ObjectNumber": np.arange(number) + 1,
                    "area_px": rng.normal(300, 30, number),
                    "mean_intensity": rng.normal(0.4, 0.05, number),
                    "local_density": planted.get("density", 10) * rng.uniform(0.5, 1.5, number),
                    "merge_evidence": rng.binomial(1, planted.get("merge", merge), number) * 1.0,
                    "split_evidence": rng.binomial(1, planted.get("split", 0.05), number) * 1.0,
                    "fragment_evidence": 0.0,
                    "threshold_bias_px": planted.get("bias", bias) + rng.normal(0, 0.4, number),
                    "integrated_intensity": 120.0,
                    "touches_border": False,
                    "edge_sharpness": planted.get("sharpness", 4.0),
                    "contrast_to_noise": 40.0,
                    "grain": 0.05,
                    "saturated": planted.get("saturated", 0.0),
                }
            )
        )
    objects = pd.concat(tables, ignore_index=True)
    balance = objects["split_evidence"] - 1.25 * objects["merge_evidence"]
    objects["balance_contribution"] = balance
    return objects.assign(**dict.fromkeys(VARIANT_COLUMNS, balance))


def all_within(objects, answer=True):
    """Every field is within what the evidence was calibrated on, or none is."""
    fields = objects.groupby(FIELD).size()
    return pd.Series("" if answer else "blurred", fields.index, dtype=object)
