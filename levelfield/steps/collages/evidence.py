"""The evidence of images that are no fields of the plate, beside what is true of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from levelfield.arrays import Image, Labels, Plane
from levelfield.evaluation.image import evaluate_image
from levelfield.io.tables import stack
from levelfield.labels.objects import renumber
from levelfield.qc.collage.read_back import PLANTED, ReadBackLine, read_back, read_back_line
from levelfield.qc.collage.seen_field import SeenField, see_field
from levelfield.qc.collage.windows import Window
from levelfield.qc.columns import FIELD, OBJECT_SET, SITE
from levelfield.qc.evidence.scores import score_plate
from levelfield.qc.evidence.second_opinion import SecondOpinion, opinion_for, opinions_by_scale
from levelfield.qc.statistics.field_sums import field_sums
from levelfield.segmentation.planting import plant_error
from levelfield.steps.collages.job import CollageJob, ControlClass
from levelfield.steps.fields import identify
from levelfield.steps.qc_evidence import TABLES, evidence_of


class ReadImages:
    """Images of a class that are scored together, with the truth of each."""

    def __init__(self, own: ControlClass, job: CollageJob) -> None:
        self._own, self._job = own, job
        self._tables: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
        self._scores: list[dict[str, float]] = []

    def add(self, plane: Plane, labels: Labels, truth: Labels, opinion: SecondOpinion) -> None:
        """Collect the evidence of labels (Y, X) of an image (Y, X)."""
        tables = evidence_of(plane, labels, self._job.threshold_level, opinion)
        place = (self._job.segmentation.plate, self._own.name, len(self._scores))
        for name, table in tables.items():
            table.insert(0, OBJECT_SET, self._own.made.name)
            self._tables[name].append(identify(table, place))
        self._scores.append(evaluate_image(labels, truth).scores)

    @property
    def images(self) -> pd.DataFrame:
        """Scores against the truth, a row per image."""
        return pd.DataFrame(self._scores)

    def sums(self) -> pd.DataFrame:
        """Return the sums of the evidence of every image, scored as the plate's fields are."""
        objects, pairs, candidates, fields = (stack(self._tables[name]) for name in TABLES)
        scored = score_plate(objects, pairs, candidates, references=self._job.references)
        inside = pd.Series("", pd.MultiIndex.from_frame(fields[FIELD]), dtype=object)
        name = self._own.made.name
        return field_sums(scored.objects, scored.candidates, fields, fields[SITE], [name], inside)


@dataclass(frozen=True)
class SeenWindow:
    """A window of a real field (C, Y, X), the plate's labels (Y, X), and what is known of it."""

    image: Image
    labels: Labels
    field: SeenField | None


class SeenClass:
    """The windows of a class, one after the other, with what is read of errors planted there."""

    def __init__(self, own: ControlClass, job: CollageJob) -> None:
        self._own, self._job = own, job
        self.windows: list[SeenWindow] = []
        planted = (None, *PLANTED) if job.settings.plant else ()
        self._read = {error: ReadImages(own, job) for error in planted}
        self._n_planted = 0

    def see(self, window: Window) -> None:
        """Read a window from the store, look at it, and plant errors into its labels."""
        name = self._own.made.name
        channels = self._own.made.channels
        image, labels = self._job.reader.read(window.well, window.site, channels, [name])
        part = np.ascontiguousarray(image[:, window.rows, window.columns])
        judged = renumber(labels[name][window.rows, window.columns])
        said = opinions_by_scale(part[0])
        field = see_field(part, opinion_for(judged, said), judged)
        self.windows.append(SeenWindow(part, judged, field))
        if not judged.any() or not self._read:
            return
        self._n_planted += 1
        for planted, read in self._read.items():
            altered = judged
            if planted is not None:
                names = (self._job.segmentation.plate, *window[:2], window.rows.start, name)
                altered = plant_error(judged, planted.error, planted.amount, names)
            read.add(part[0], altered, judged, opinion_for(altered, said))

    def planted_lines(self) -> Iterator[ReadBackLine]:
        """Give what is read of every planted error."""
        if not self._n_planted:
            return
        name, plain = self._own.made.name, self._read[None].sums()
        head = (self._job.segmentation.plate, name, self._own.scope, self._own.name)
        counts = self._n_planted, int(plain["n_objects"].sum())
        constants = self._job.rules.constants_of
        for planted in PLANTED:
            read = self._read[planted]
            found = read_back(planted, plain, read.sums(), read.images, name, constants)
            yield read_back_line(planted, found, head, counts)


def fields_of(windows: Sequence[SeenWindow]) -> list[SeenField]:
    """Return what is known of the windows that hold any object."""
    return [window.field for window in windows if window.field is not None]
