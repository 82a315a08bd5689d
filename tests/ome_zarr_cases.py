"""OME-Zarr plates as ome-zarr writes them, with pixels of the demo plate."""

import warnings

import numpy as np
import pandas as pd
import zarr
from ome_zarr.writer import write_image, write_plate_metadata, write_well_metadata
from real_images import BBBC013 as DEMO_IMAGES

from levelfield.images.planes import read_plane

WELLS = {"A01": "A/01", "B03": "B/03"}
LAYOUT = pd.DataFrame(
    {
        "Metadata_Well": list(WELLS),
        "Metadata_ControlType": ["negcon", "poscon"],
        "Metadata_Perturbation": ["none", "drug"],
    }
)


SPACE = {"type": "space", "unit": "micrometer"}
AXES = {"t": {"type": "time"}, "c": {"type": "channel"}, "z": SPACE, "y": SPACE, "x": SPACE}


def scale_of(axes, factor):
    scale = [0.325 * factor if axis in "yx" else 1.0 for axis in axes]
    return [{"type": "scale", "scale": scale}]


def pixels(well, field):
    names = [f"Channel{c}-01-A-01.tif" for c in (2, 1)]
    image = np.stack([read_plane(DEMO_IMAGES / name) for name in names]).astype(np.uint16)
    return image + 100 * (1 + field) + 1000 * (well == "B03")


def write_plate(path, made, axes="cyx"):
    """Write a plate with ome-zarr: two wells of two fields, two channels."""
    kind = {"fmt": made}
    root = zarr.open_group(path, mode="w", zarr_format=made.zarr_format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_plate_metadata(root, ["A", "B"], ["01", "02", "03"], list(WELLS.values()), **kind)
        for well, place in WELLS.items():
            group = root.require_group(place)
            write_well_metadata(group, ["0", "1"], **kind)
            for field in (0, 1):
                image = pixels(well, field)
                if axes == "tczyx":
                    image = image[None, :, None]
                window = {"min": 0, "max": 65535, "start": 0, "end": 4095}
                channels = [
                    {"label": name, "color": "FFFFFF", "window": window, "active": True}
                    for name in ("DAPI", "GFP")
                ]
                write_image(
                    image,
                    group.require_group(str(field)),
                    scale_factors=(2,),
                    axes=[AXES[axis] | {"name": axis} for axis in axes],
                    coordinate_transformations=[scale_of(axes, level) for level in (1, 2)],
                    metadata={"omero": {"channels": channels}},
                    **kind,
                )
    return path
