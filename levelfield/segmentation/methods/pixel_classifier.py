"""The method `pixel_classifier`: segment what a trained pixel classifier calls foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from levelfield.arrays import Image
from levelfield.config.options import Number
from levelfield.segmentation.method import Knob, Method
from levelfield.segmentation.methods.classical import DECLUMP_KNOBS
from levelfield.segmentation.options import Declump, DeclumpOptions, FillHoles, Share, SizeFilter
from levelfield.segmentation.result import Segmentation, filtered

if TYPE_CHECKING:
    from levelfield.segmentation.pixel_classifier import PixelClassifier


class PixelClassifierOptions(SizeFilter):
    """Options of the method `pixel_classifier`."""

    probability: Share = 0.5
    """Pixels are foreground where the classes other than background together exceed this."""
    smoothing: Annotated[Number, Field(ge=0)] = 1.0
    """Standard deviation in px of the Gaussian over the probability; 0 for none."""
    fill_holes: FillHoles = True
    declump: Declump = DeclumpOptions()


def pixel_classifier(
    image: Image, options: PixelClassifierOptions, classifier: PixelClassifier
) -> Segmentation:
    """Segment what a trained pixel classifier calls foreground; declump in the first channel."""
    from levelfield.labels.objects import fill_mask_holes
    from levelfield.segmentation.declump import declump
    from levelfield.segmentation.growth import smooth
    from levelfield.segmentation.pixel_classifier import foreground_probability

    likely = smooth(foreground_probability(image, classifier), options.smoothing)
    foreground = likely > options.probability
    foreground = fill_mask_holes(foreground) if options.fill_holes else foreground
    labels, sizes = declump(smooth(image[0], options.smoothing), foreground, options.declump)
    return filtered(labels, options, {"ForegroundProbability": float(likely.mean())} | sizes)


METHOD = Method(
    name="pixel_classifier",
    makes="objects that no threshold separates, by a trained random forest",
    classifier="needed",
    options=PixelClassifierOptions,
    run=pixel_classifier,
    knobs=(
        Knob("probability", 0.05, "smaller"),
        *DECLUMP_KNOBS,
        Knob("probability", 0.1, "find_fewer"),
    ),
)
