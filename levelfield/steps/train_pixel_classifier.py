"""Training images of a pixel classifier, from a sheet of files."""

from pathlib import Path

import numpy as np

from levelfield.arrays import AnyArray
from levelfield.config.sheets import SheetError, check_sheet, load_schema, read_sheet
from levelfield.images.planes import PlaneError, read_header, read_plane
from levelfield.segmentation.imported import read_labels
from levelfield.segmentation.pixel_classifier import classes_from_labels

TrainingPair = tuple[AnyArray, AnyArray]


def training_images(sheet_path: Path, schema_path: Path) -> list[TrainingPair]:
    """Read the images and annotations of a training sheet.

    Parameters
    ----------
    sheet_path : Path
        Columns ``image``, ``annotation`` and ``kind`` (``scribbles`` or ``labels``).
    schema_path : Path
        JSON Schema of a row.

    Returns
    -------
    list of (image, classes)
        Image (C, Y, X) float32, 0-1; classes (Y, X) int32, 0 unknown, 1 background, 2 and above.

    Raises
    ------
    SheetError
        If the sheet, an image or an annotation cannot be used.
    """
    sheet = read_sheet(sheet_path)
    check_sheet(sheet, load_schema(schema_path), sheet_path)
    return [
        _pair(row["image"], row["annotation"], row["kind"], f"{sheet_path}, line {line}")
        for line, row in enumerate(sheet.to_dict("records"), start=2)
    ]


def _pair(image_path: str, annotation_path: str, kind: str, where: str) -> TrainingPair:
    header = read_header(Path(image_path))
    if header.fault:
        raise SheetError(f"{where}: '{image_path}' {header.fault}.")
    try:
        planes = [read_plane(Path(image_path), page) for page in range(header.n_pages)]
        annotation = read_labels(Path(annotation_path)).astype(np.int32)
    except (PlaneError, ValueError, OSError) as error:
        raise SheetError(f"{where}: {error}.") from None
    image = np.stack(planes).astype(np.float32) / np.float32(np.iinfo(planes[0].dtype).max)
    if annotation.shape != image.shape[1:]:
        raise SheetError(
            f"{where}: '{annotation_path}' is {annotation.shape} px and its image "
            f"{image.shape[1:]} px. An annotation must have the size of its image."
        )
    classes = classes_from_labels(annotation) if kind == "labels" else annotation
    return image, classes
