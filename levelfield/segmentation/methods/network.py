"""The method `network`: objects from a decoder of the small network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import SerializeAsAny, model_validator

from levelfield.arrays import Image, Labels, Mask, Plane
from levelfield.segmentation.decoder_options import DECODING, DecodingOptions, FlowOptions
from levelfield.segmentation.elsewhere import map_elsewhere
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.options import Diameter, Length, OutlineHeight, SizeFilter
from levelfield.segmentation.result import Segmentation, filtered, single_channel

if TYPE_CHECKING:
    from levelfield.segmentation.small_network.prediction import Prediction


class NetworkOptions(SizeFilter):
    """Options of the method `network`; those of `decoding` depend on the decoder."""

    decoder: Literal["flow", "three_class", "components", "affinity"] = "flow"
    """How the network's prediction becomes objects."""
    decoding: SerializeAsAny[DecodingOptions] = FlowOptions()
    """Options of the decoder; not every decoder has each of them."""
    outline: OutlineHeight = 0.4
    """Height of each object's outline between the background beside it (0) and the object's own
    brightness (1); larger makes smaller objects. null leaves the outlines to the network."""
    minimum_diameter: Length = None  # type: ignore[assignment]
    """Objects of a smaller equivalent diameter (px) are removed; null for 6, or a third of the
    typical diameter where that is less."""
    diameter: Diameter = None
    """Typical diameter of the objects in px; null measures it once for each plate."""

    @property
    def limits(self) -> tuple[float, float | None, str]:
        """Smallest and largest diameter (px), and what becomes of objects at the border."""
        smallest = self.minimum_diameter
        if smallest is None:
            smallest = min(6.0, (self.diameter or np.inf) / 3)
        return smallest, self.maximum_diameter, self.border

    @model_validator(mode="before")
    @classmethod
    def _read_decoding(cls, given: Any) -> Any:
        decoder = given.get("decoder", "flow") if isinstance(given, Mapping) else None
        if decoder in DECODING and isinstance(given.get("decoding", {}), Mapping):
            read = DECODING[decoder].read(given.get("decoding", {}), f"decoder {decoder}")
            given = dict(given) | {"decoding": read}
        return given

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema; what `decoding` may hold follows the decoder."""
        schema = super().json_schema()
        parts = {name: options.json_schema() for name, options in DECODING.items()}
        known = {key: rule for part in parts.values() for key, rule in part["properties"].items()}
        schema["properties"]["decoding"] |= {"properties": known}
        schema["allOf"] = [
            {
                "if": {"properties": {"decoder": {"const": name}}}
                | ({} if name == "flow" else {"required": ["decoder"]}),
                "then": {
                    "properties": {
                        "decoding": {"propertyNames": {"enum": list(part["properties"])}}
                    }
                },
            }
            for name, part in parts.items()
        ]
        return schema


def segment_with_network(
    images: Sequence[Image], options: NetworkOptions, inputs: Sequence[Mapping[str, Any]]
) -> list[Segmentation]:
    """Segment what the small network sees.

    Images are scaled only if the objects' diameter is outside of what the network was trained on.
    A model has the method `predict` of
    `levelfield.segmentation.small_network.inference.NetworkModel`, and one on a GPU
    `predict_followed` of `levelfield.segmentation.networks.unet_flows.FollowingModel`.
    """
    planes = [single_channel(image, "network") for image in images]
    predictions = _predict(inputs[0]["model"], planes, options)
    fields = zip(predictions, planes, strict=True)
    return map_elsewhere(decode, [(each, plane.shape, options, plane) for each, plane in fields])


def _predict(model: Any, planes: Sequence[Plane], options: NetworkOptions) -> list[Prediction]:
    """Predict images; a model on a GPU follows their flows itself."""
    from levelfield.segmentation.decoders import READS

    if options.decoder == "flow" and hasattr(model, "predict_followed"):
        return model.predict_followed(planes, options.diameter, options.decoding.foreground)
    groups = ("foreground", *READS[options.decoder])
    return model.predict(planes, options.diameter, groups)


def decode(
    prediction: Prediction,
    shape: tuple[int, ...],
    options: NetworkOptions | None = None,
    image: Plane | None = None,
) -> Segmentation:
    """Turn one prediction into the objects of an image.

    Parameters
    ----------
    prediction : Prediction
    shape : (int, int)
        Shape of the image.
    options : NetworkOptions, optional
    image : (Y, X) float32, optional
        Without it, the outlines are those of the prediction alone.
    """
    from levelfield.segmentation.decoders import DECODERS
    from levelfield.segmentation.small_network.refinement import refine_outlines

    options = options or NetworkOptions()
    labels = DECODERS[options.decoder](prediction, options.decoding)
    foreground, threshold = prediction.foreground, options.decoding.foreground
    # Px of the image per px of a smaller one that the network was given.
    coarseness = max(1.0, shape[0] / labels.shape[0])
    if labels.shape != shape:
        from skimage.transform import resize

        foreground = resize(foreground, shape, order=1, anti_aliasing=False)
        labels = _to_size(labels, foreground > threshold, coarseness)
    if image is not None and options.outline is not None:
        levels = options.outline, threshold
        labels = refine_outlines(image, labels, foreground, *levels, coarseness)
    share = {"ForegroundProbability": float(prediction.foreground.mean())}
    return filtered(labels, options, share)


def _to_size(labels: Labels, foreground: Mask, coarseness: float) -> Labels:
    """Bring labels to the size of their image, whose foreground draws their outlines again."""
    from skimage.transform import resize

    from levelfield.labels.objects import expand, fill_object_holes

    nearest = resize(labels, foreground.shape, order=0, preserve_range=True, anti_aliasing=False)
    # An outline that was found on coarser pixels may be off by one of those.
    grown = expand(nearest.astype(np.int32), coarseness)
    return fill_object_holes(np.where(foreground, grown, 0))


METHOD = Method(
    name="network",
    makes="nuclei, with a small trained network",
    options=NetworkOptions,
    run_many=segment_with_network,
    channels=(1, 1),
    load="levelfield.segmentation.small_network.loading:load_model",
    fields_at_once={"cuda": 8, "mps": 8},
    for_threads=True,
    plate_diameter=True,
    trainable=True,
    knobs=(
        Knob("outline", 0.05, "smaller"),
        Knob("decoding.foreground", 0.1, "smaller"),
        Knob("decoding.depth", 0.1, "divide_less"),
        Knob("decoding.dividing", 0.1, "divide_more"),
        Knob("decoding.interior", 0.1, "divide_more"),
        Knob("decoding.minimum_foreground", 0.1, "find_fewer"),
    ),
)
