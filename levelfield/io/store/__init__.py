"""The OME-Zarr plate: create it, write a field, read a field."""

from levelfield.io.store.edited import label_names, write_edited
from levelfield.io.store.field import (
    EDITED_SUFFIX,
    Field,
    checksum,
    field_path,
    find_damage,
    invalidate_field,
    read_field,
    read_labels,
    stored_channels,
    stored_dtype,
    stored_field,
    stored_pixel_size_um,
    write_field,
)
from levelfield.io.store.groups import NEWEST, VERSIONS
from levelfield.io.store.in_place import NotInPlace, check_in_place, write_in_place
from levelfield.io.store.metadata import Channel
from levelfield.io.store.plate import create_plate, lazy_labels, lazy_plate

__all__ = [
    "EDITED_SUFFIX",
    "NEWEST",
    "VERSIONS",
    "Channel",
    "Field",
    "NotInPlace",
    "check_in_place",
    "checksum",
    "create_plate",
    "field_path",
    "find_damage",
    "invalidate_field",
    "label_names",
    "lazy_labels",
    "lazy_plate",
    "read_field",
    "read_labels",
    "stored_channels",
    "stored_dtype",
    "stored_field",
    "stored_pixel_size_um",
    "write_edited",
    "write_field",
    "write_in_place",
]
