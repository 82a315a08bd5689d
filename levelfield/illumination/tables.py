"""Flat fields of all channels as plain arrays and as table rows."""

from collections.abc import Mapping

import numpy as np

from levelfield.arrays import AnyArray, AnyFloats
from levelfield.illumination.camera_offset import CameraOffset
from levelfield.illumination.flat_field import FlatField


def to_arrays(flat_fields: Mapping[str, FlatField]) -> dict[str, AnyArray]:
    """Turn the fields of all channels into plain arrays for one ``.npz``, without pickle.

    Scalars are arrays (C,) in the order of ``channels``; the field of channel number i is
    ``field_i`` (Y, X).
    """
    fields = list(flat_fields.values())
    arrays: dict[str, AnyArray] = {
        "channels": np.array(list(flat_fields), dtype=np.str_),
        "status": np.array([field.status for field in fields], dtype=np.str_),
        "reason": np.array([field.reason for field in fields], dtype=np.str_),
        "n_images": np.array([field.n_images for field in fields], dtype=np.int64),
        "degree": np.array([field.degree for field in fields], dtype=np.int64),
        "residual": np.array([field.residual for field in fields], dtype=np.float64),
        "field_error": np.array([field.field_error for field in fields], dtype=np.float64),
    }
    offsets = [field.camera_offset for field in fields]
    arrays["camera_offset"] = np.array([offset.counts for offset in offsets], dtype=np.float64)
    arrays["camera_offset_uncertainty"] = np.array(
        [offset.uncertainty for offset in offsets], dtype=np.float64
    )
    arrays["camera_offset_source"] = np.array([o.source for o in offsets], dtype=np.str_)
    arrays |= {f"field_{number}": field.field for number, field in enumerate(fields)}
    return arrays


def from_arrays(arrays: Mapping[str, AnyArray]) -> dict[str, FlatField]:
    """Rebuild the fields by channel from `to_arrays` or from the ``.npz`` written of it."""
    flat_fields = {}
    for number, channel in enumerate(arrays["channels"]):
        offset = CameraOffset(
            float(arrays["camera_offset"][number]),
            float(arrays["camera_offset_uncertainty"][number]),
            str(arrays["camera_offset_source"][number]),
        )
        flat_fields[str(channel)] = FlatField(
            np.asarray(arrays[f"field_{number}"], dtype=np.float32),
            offset,
            status=str(arrays["status"][number]),
            reason=str(arrays["reason"][number]),
            n_images=int(arrays["n_images"][number]),
            degree=int(arrays["degree"][number]),
            residual=float(arrays["residual"][number]),
            field_error=float(arrays["field_error"][number]),
        )
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
        }
        for channel, flat_field in flat_fields.items()
    ]
