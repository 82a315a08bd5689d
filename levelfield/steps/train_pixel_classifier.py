"""Training images of a pixel classifier, from a sheet of files."""

from pathlib import Path

from levelfield.arrays import AnyArray
from levelfield.config.sheets import read_sheet
from levelfield.segmentation.pixel_classifier import classes_from_labels
from levelfield.steps.training_sheets import read_annotated


def training_images(sheet_path: Path, schema_path: Path) -> list[tuple[AnyArray, AnyArray]]:
    """Read the images and annotations of a training sheet.

    Its columns are ``image``, ``annotation`` and ``kind`` (``scribbles`` or ``labels``).

    Returns
    -------
    list of (image, classes)
        Image (C, Y, X) float32, 0-1; classes (Y, X) int32, 0 unknown, 1 background, 2 and above.

    Raises
    ------
    SheetError
        If the sheet, an image or an annotation cannot be used.
    """
    pairs = []
    for line, row in enumerate(read_sheet(sheet_path, schema_path).to_dict("records"), start=2):
        where = f"{sheet_path}, line {line}"
        image, (annotation,) = read_annotated(row["image"], [row["annotation"]], where)
        labels = row["kind"] == "labels"
        pairs.append((image, classes_from_labels(annotation) if labels else annotation))
    return pairs
