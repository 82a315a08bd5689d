"""Donors: isolated, convex objects of a control class, cut out with their halo."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from skimage.measure import regionprops

from levelfield.arrays import AnyLabels, Image, Labels, Mask, Plane
from levelfield.images.smoothing import gaussian
from levelfield.qc.collage.seen_field import SeenField
from levelfield.qc.evidence.features import CLIPPED

_EDGE_LEVEL = 0.4
"""Where between background and object an outline lies: where people draw it."""
_SMALLEST = 0.15
"""Area of the smallest donor, in squared diameters."""
_AREAS = (0.4, 1.7)
"""Range of areas over the donors' median: beyond it are debris and clumps."""
_NOTICEABLE = 0.2  # share of a donor that a part of it must have to count as a piece
_FOREIGN_FADE_PX = 3.0


@dataclass(frozen=True)
class DonorRules:
    """What makes an object a donor; lengths are in diameters.

    ``gap`` to anything else, the ``halo`` that comes with it, and the ``solidity`` (area over that
    of the convex hull), by which clumps are told from single objects; an object that most of the
    jury divides needs ``divided_solidity``.
    """

    gap: float = 0.15
    halo: float = 0.3
    solidity: float = 0.92
    divided_solidity: float = 0.94


@dataclass(frozen=True)
class Donor:
    """An object and its halo.

    Attributes
    ----------
    signal : (C, Y, X) float32
        Intensity above the local background.
    weight : (Y, X) float32
        1 in the object, falling to 0 across its halo.
    mask, clipped : (Y, X) bool
        The object; its pixels that are as bright as the camera can tell.
    """

    signal: Image
    weight: Plane
    mask: Mask
    clipped: Mask

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))


def find_donors(fields: Sequence[SeenField], rules: DonorRules | None = None) -> list[Donor]:
    """Find the isolated, convex objects of a control class, of its central range of areas."""
    found = [donor for field in fields for donor in _donors_of(field, rules or DonorRules())]
    middle = float(np.median([donor.area for donor in found])) if found else 0.0
    low, high = (factor * middle for factor in _AREAS)
    return [donor for donor in found if low < donor.area < high]


def donor_yield(donors: Sequence[Donor], fields: Sequence[SeenField]) -> float:
    """Return donors per object of the fields: where it is low, collages stand for few of them."""
    n_objects = sum(int(field.arrangement.max(initial=0)) for field in fields)
    return len(donors) / n_objects if n_objects else 0.0


def _donors_of(field: SeenField, rules: DonorRules) -> list[Donor]:
    diameter, shape = field.diameter, field.solid.shape
    closed = ndimage.binary_closing(field.foreground, iterations=max(1, round(0.08 * diameter)))
    components, _ = ndimage.label(ndimage.binary_fill_holes(closed))
    soft = gaussian(field.image[0], max(0.7, 0.06 * diameter)) - field.emptied.smooth[0]
    margin = int(np.ceil((rules.halo + 0.1) * diameter)) + 2
    found = []
    for number, box in enumerate(ndimage.find_objects(components), 1):
        window = _widened(box, margin, shape)
        own = components[window] == number
        if _is_cut(box, shape) or np.count_nonzero(own) < _SMALLEST * diameter**2:
            continue
        mask = _outlined(soft[window], own, diameter)
        # What the border of the image nearly cuts may be larger than is seen.
        if mask is None or _is_cut(_box_in(mask, window), shape, 2):
            continue
        if _is_single(mask, [member[window] for member in field.members], rules):
            found.append(_cut_out(field, window, mask, own, rules))
    return [donor for donor in found if donor is not None]


def _is_cut(box: tuple[slice, ...], shape: tuple[int, ...], margin: int = 1) -> bool:
    sides = zip(box, shape, strict=True)
    return any(side.start < margin or side.stop > length - margin for side, length in sides)


def _widened(box: tuple[slice, ...], margin: int, shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(max(0, side.start - margin), min(length, side.stop + margin))
        for side, length in zip(box, shape, strict=True)
    )


def _box_in(mask: Mask, window: tuple[slice, ...]) -> tuple[slice, ...]:
    (box,) = ndimage.find_objects(mask.astype(np.int32))
    return tuple(
        slice(side.start + outer.start, side.stop + outer.start)
        for side, outer in zip(box, window, strict=True)
    )


def _outlined(soft: Plane, own: Mask, diameter: float) -> Mask | None:
    """Outline an object at 40 % between background and object; None where that is another one."""
    inside = np.percentile(soft[own], 60)
    near = ndimage.binary_dilation(own, iterations=max(1, round(0.15 * diameter)))
    edge = (soft > _EDGE_LEVEL * inside) & near
    edge = ndimage.binary_fill_holes(ndimage.binary_closing(edge) | (edge & own))
    parts, count = ndimage.label(edge)
    sizes = np.bincount(parts[own], minlength=count + 1)
    sizes[0] = 0
    mask = parts == int(sizes.argmax())
    agrees = np.count_nonzero(mask & own) >= 0.6 * np.count_nonzero(mask | own)
    return mask if sizes.any() and agrees else None


def _is_single(mask: Mask, members: Sequence[Labels], rules: DonorRules) -> bool:
    divided = np.mean([_count_parts(member, mask) > 1 for member in members]) > 0.5
    (shape,) = regionprops(mask.astype(np.uint8))
    return bool(shape.solidity >= (rules.divided_solidity if divided else rules.solidity))


def _count_parts(labels: AnyLabels, mask: Mask) -> int:
    sizes = np.bincount(labels[mask])[1:]
    return int(np.count_nonzero(sizes > _NOTICEABLE * np.count_nonzero(mask)))


def _cut_out(
    field: SeenField, window: tuple[slice, ...], mask: Mask, own: Mask, rules: DonorRules
) -> Donor | None:
    """Cut an object, of the component `own`, out, unless something else is too near."""
    diameter, away = field.diameter, ndimage.distance_transform_edt(~mask)
    weight = np.clip((rules.halo * diameter + 1 - away) / (0.15 * diameter + 1), 0, 1)
    around = ndimage.binary_dilation(mask | own, iterations=max(1, round(0.1 * diameter)))
    foreign = field.solid[window] & ~around
    if foreign.any():
        if away[foreign].min() < rules.gap * diameter:
            return None
        from_foreign = ndimage.distance_transform_edt(~foreign)
        weight *= np.clip(from_foreign / _FOREIGN_FADE_PX, 0, 1) * (away < from_foreign)
    weight[mask] = 1
    patch = field.image[:, *window]
    donor = Donor(
        signal=patch - field.emptied.smooth[:, *window],
        weight=weight.astype(np.float32),
        mask=mask,
        clipped=(patch[0] >= CLIPPED) & mask,
    )
    return _centred(donor)


def _centred(donor: Donor) -> Donor:
    """Pad a donor so that the centre of its mask is the middle of its arrays, of odd sides."""
    pads = []
    for axis, length in enumerate(donor.mask.shape):
        profile = donor.mask.sum(axis=1 - axis)
        centre = round(float(profile @ np.arange(length)) / float(profile.sum()))
        half = max(centre, length - 1 - centre)
        pads.append((half - centre, 2 * half + 1 - length - (half - centre)))
    return replace(
        donor,
        signal=np.pad(donor.signal, [(0, 0), *pads]),
        **{name: np.pad(getattr(donor, name), pads) for name in ("weight", "mask", "clipped")},
    )
