"""Flat fields of all channels as plain arrays and as table rows."""

from collections.abc import Mapping

import numpy as np

from levelfield.arrays import AnyArray, AnyFloats
from levelfield.illumination.camera_offset import CameraOffset
from levelfield.illumination.flat_field import FlatField

_FIELD_TYPES: dict[str, type] = {
    **{"status": np.str_, "reason": np.str_, "n_images": np.int64, "degree": np.int64},
    **dict.fromkeys(("residual", "field_error", "darkest", "brightest"), np.float64),
}
_OFFSET_TYPES: dict[str, tuple[str, type]] = {
    "camera_offset": ("counts", np.float64),
    "camera_offset_uncertainty": ("uncertainty", np.float64),
    "camera_offset_source": ("source", np.str_),
}


def to_arrays(flat_fields: Mapping[str, FlatField]) -> dict[str, AnyArray]:
    """Turn the fields of all channels into plain arrays for one ``.npz``, without pickle.

    Scalars are arrays (C,) in the order of ``channels``; the field of channel number i is
    ``field_i`` (Y, X).
    """
    fields = list(flat_fields.values())
    arrays: dict[str, AnyArray] = {"channels": np.array(list(flat_fields), dtype=np.str_)}
    for name, dtype in _FIELD_TYPES.items():
        arrays[name] = np.array([getattr(field, name) for field in fields], dtype)
    for name, (attribute, dtype) in _OFFSET_TYPES.items():
        values = [getattr(field.camera_offset, attribute) for field in fields]
        arrays[name] = np.array(values, dtype)
    return arrays | {f"field_{number}": field.field for number, field in enumerate(fields)}


def from_arrays(arrays: Mapping[str, AnyArray]) -> dict[str, FlatField]:
    """Rebuild the fields by channel from `to_arrays` or from the ``.npz`` written of it.

    Raises
    ------
    ValueError
        If an earlier version wrote them, without all that this one needs.
    """
    missing = [name for name in (*_FIELD_TYPES, *_OFFSET_TYPES) if name not in arrays]
    if missing:
        raise ValueError(
            f"the flat fields (illumination.npz) do not hold {', '.join(missing)}: an earlier "
            "version wrote them. Delete the file and run the workflow again."
        )
    flat_fields = {}
    for number, channel in enumerate(arrays["channels"]):
        offset = CameraOffset(*(arrays[name][number].item() for name in _OFFSET_TYPES))
        field = np.asarray(arrays[f"field_{number}"], dtype=np.float32)
        known = {name: arrays[name][number].item() for name in _FIELD_TYPES}
        flat_fields[str(channel)] = FlatField(field, offset, **known)
    return flat_fields


def edge_falloff(field: AnyFloats) -> float:
    """How much dimmer the border of the field is than its brightest part, as a fraction."""
    border = np.concatenate([field[0], field[-1], field[:, 0], field[:, -1]])
    return float(1 - border.mean(dtype=np.float64) / field.max())


def summary(flat_fields: Mapping[str, FlatField]) -> list[dict[str, str | int | float]]:
    """One row per channel for ``illumination.csv``; offsets in counts, fields with mean 1."""
    return [
        {
            "channel": channel,
            "status": flat_field.status,
            "reason": flat_field.reason,
            "camera_offset": flat_field.camera_offset.counts,
            "camera_offset_uncertainty": flat_field.camera_offset.uncertainty,
            "camera_offset_source": flat_field.camera_offset.source,
            "n_images": flat_field.n_images,
            "degree": flat_field.degree,
            "field_min": float(flat_field.field.min()),
            "field_max": float(flat_field.field.max()),
            "edge_falloff_percent": 100 * edge_falloff(flat_field.field),
            "field_error_percent": 100 * flat_field.field_error,
            "residual_percent": 100 * flat_field.residual,
            "display_min_percent": 100 * flat_field.darkest,
            "display_max_percent": 100 * flat_field.brightest,
        }
        for channel, flat_field in flat_fields.items()
    ]
