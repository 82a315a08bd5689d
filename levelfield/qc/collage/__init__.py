"""Collages: images of known truth, made of a control class's own pixels.

Isolated objects of a class (donors) are laid on its own emptied fields, where another field of it
has objects. The plate's segmenter is run on them, and what the evidence reads is held against what
is true: how far the evidence can be trusted on objects that look as these do.
"""

from levelfield.qc.collage.compose import Collage, compose
from levelfield.qc.collage.donors import Donor, donor_yield, find_donors
from levelfield.qc.collage.seen_field import SeenField, see_field

__all__ = ["Collage", "Donor", "SeenField", "compose", "donor_yield", "find_donors", "see_field"]
