"""What to turn in a segmentation method, and which way, to make its errors smaller."""

from __future__ import annotations

# What to turn when the value is above zero (masks too large, over-segmented) and when below.
_THRESHOLD_CORRECTION = ("raise threshold.correction", "lower threshold.correction")
_PARENT = (
    "divide the parent objects of {set} less, as each grows from one of them",
    "divide the parent objects of {set} more, as each grows from one of them",
)
_TURN = {
    ("classical", "threshold"): (
        "raise outline (threshold.correction if outline is null)",
        "lower outline (threshold.correction if outline is null)",
    ),
    ("classical", "split_merge"): (
        "raise declump.depth or declump.suppression_distance",
        "lower declump.depth or declump.suppression_distance",
    ),
    ("propagation", "threshold"): _THRESHOLD_CORRECTION,
    ("propagation", "split_merge"): _PARENT,
    ("watershed", "threshold"): _THRESHOLD_CORRECTION,
    ("watershed", "split_merge"): _PARENT,
    ("expansion", "threshold"): ("lower distance", "raise distance"),
    ("expansion", "split_merge"): _PARENT,
    ("network", "threshold"): ("raise decoding.foreground", "lower decoding.foreground"),
    ("network", "split_merge"): (
        "lower decoding.dividing (raise decoding.depth if the decoder is flow)",
        "raise decoding.dividing (lower decoding.depth if the decoder is flow)",
    ),
    ("cellpose", "threshold"): ("raise cell_probability", "lower cell_probability"),
    ("cellpose", "split_merge"): (
        "raise diameter (images are scaled down, and it divides less)",
        "lower diameter (images are enlarged, and it divides more)",
    ),
    ("cellpose3", "threshold"): ("raise cell_probability", "lower cell_probability"),
    ("cellpose3", "split_merge"): (
        "raise diameter (images are scaled down, and it divides less)",
        "lower diameter (images are enlarged, and it divides more)",
    ),
    ("stardist", "split_merge"): (
        "lower overlap (it keeps fewer stars that share pixels)",
        "raise overlap (it keeps more stars that share pixels)",
    ),
    ("mask_rcnn", "threshold"): ("raise mask_threshold", "lower mask_threshold"),
    ("pixel_classifier", "threshold"): ("raise probability", "lower probability"),
    ("pixel_classifier", "split_merge"): (
        "raise declump.depth or declump.suppression_distance",
        "lower declump.depth or declump.suppression_distance",
    ),
    ("labels", "threshold"): (
        "raise the threshold in the program that made these labels",
        "lower the threshold in the program that made these labels",
    ),
    ("labels", "split_merge"): (
        "make the program that made these labels divide less",
        "make the program that made these labels divide more",
    ),
}
_ANY_METHOD = {
    "threshold": ("make the foreground threshold stricter", "make the foreground threshold laxer"),
    "split_merge": ("make the method divide less", "make the method divide more"),
}


def turn(method: str, question: str, object_set: str, value: float) -> str:
    """Say what to turn and which way: "raise threshold.correction of Nuclei".

    Parameters
    ----------
    method, question, object_set : str
        As in `Finding`.
    value : float
        Above zero for masks too large or over-segmentation, below for the opposite.
    """
    texts = _TURN.get((method, question), _ANY_METHOD[question])
    text = texts[0 if value > 0 else 1]
    return text.format(set=object_set) if "{set}" in text else f"{text} of {object_set}"
