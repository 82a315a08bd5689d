"""The second opinion on one image, kept for all segmentations of it."""

from dataclasses import dataclass, field
from pathlib import Path

from levelfield.arrays import Image, Labels
from levelfield.qc.evidence.opinion_network import load_opinion
from levelfield.qc.evidence.second_opinion import SecondOpinion, opinion_for, second_opinion


@dataclass
class Opinions:
    """What a network says of one image (Y, X), at every scale at which it was asked.

    Attributes
    ----------
    image : (Y, X) float32
        The image.
    network : Path
        ONNX file of the network (`levelfield.qc.train.opinion_network`).
    """

    image: Image
    network: Path
    known: dict[float, SecondOpinion] = field(default_factory=dict)

    def of(self, labels: Labels) -> SecondOpinion:
        """Ask about a segmentation (Y, X) of the image, as the QC does."""
        return opinion_for(labels, self._at)

    def _at(self, scale: float) -> SecondOpinion:
        if scale not in self.known:
            prediction = load_opinion(self.network).predict(self.image, scale)
            self.known[scale] = second_opinion(prediction, self.image.shape)
        return self.known[scale]
