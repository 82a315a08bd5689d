"""The method `cellpose3`: models of Cellpose 1 to 3, such as `cyto3` and `nuclei`.

Stringer & Pachitariu, Nature Methods 22, 592 (2025). It runs in an environment of its own, and sees
many images at once, because every request to another process costs some time.
"""

from functools import partial
from typing import Annotated

from pydantic import Field

from levelfield.config.options import Number, Whole
from levelfield.segmentation.method import Method
from levelfield.segmentation.methods.cellpose import KNOBS
from levelfield.segmentation.options import Diameter, SizeFilter
from levelfield.segmentation.workers.exchange import Worker, segment_with_worker


class Cellpose3Options(SizeFilter):
    """Options of the method `cellpose3`."""

    # Never measured per image, or it would drift between the controls.
    diameter: Diameter = None
    """Typical diameter in px; null for that of the objects that the model learned from."""
    model_diameter: Diameter = None
    """Diameter in px to which the model's images were scaled in training - 17 for the published
    model nuclei; null for what its file says, else 30."""
    flow_threshold: Annotated[Number, Field(ge=0)] = 0.4
    """Objects whose flows differ more from those of their shape are dropped; 0 keeps all."""
    cell_probability: Number = 0.0
    """Pixels above this logit are part of objects; higher makes smaller objects."""
    iterations: Annotated[Whole | None, Field(ge=1)] = None
    """Steps that pixels follow the flow; null for as many as the diameter needs."""


METHOD = Method(
    name="cellpose3",
    makes="nuclei or cells, with a model of Cellpose 1 to 3",
    options=Cellpose3Options,
    run_many=segment_with_worker,
    channels=(1, 2),
    load=partial(Worker, "cellpose3"),
    fields_at_once={"cuda": 8, "mps": 8, "cpu": 8},
    for_threads=True,
    environment="an environment of its own: `make env-cellpose3`",
    knobs=KNOBS,
)
