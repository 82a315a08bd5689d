"""How many objects the segmenter and the second opinion see in each class: ``qc/counts.csv``."""

from dataclasses import dataclass

from levelfield.qc.columns import OBJECT_SET
from levelfield.qc.judged import JudgedPlate, PlateTable
from levelfield.qc.statistics.comparison import control_classes
from levelfield.qc.statistics.field_sums import measure_terms
from levelfield.qc.statistics.summary import corrected
from levelfield.questions import MEASURES


@dataclass(frozen=True)
class ClassCount:
    """How many objects the segmenter and the second opinion see in one control class.

    Attributes
    ----------
    plate, object_set, scope, perturbation : str
        Whose; scope is negcon or poscon.
    n_wells, n_fields, n_labels : int
        Imaged; and objects by the segmenter.
    n_second_opinion : float
        Objects by the second opinion; NaN where nobody was asked.
    missed, invented : float
        Corrected shares of true and of predicted objects, in percent.
    """

    plate: str
    object_set: str
    scope: str
    perturbation: str
    n_wells: int
    n_fields: int
    n_labels: int
    n_second_opinion: float
    missed: float
    invented: float


def class_counts(judged: JudgedPlate) -> list[ClassCount]:
    """Count the objects of every control class."""
    sums, found = judged.sums, []
    for object_set in dict.fromkeys(sums[OBJECT_SET]):
        for (scope, name), wells in control_classes(judged.pairs).items():
            own = sums[(sums[OBJECT_SET] == object_set) & sums["Metadata_Well"].isin(wells)]
            shares = {}
            for measure in ("missed", "invented"):
                terms = measure_terms(own, measure).sum().to_frame().T
                share = corrected(terms, [object_set], measure, judged.rules.constants_of).iloc[0]
                shares[measure] = share * MEASURES[measure].scale
            count = ClassCount(
                judged.plate,
                str(object_set),
                scope,
                name,
                n_wells=own["Metadata_Well"].nunique(),
                n_fields=len(own),
                n_labels=int(own["n_objects"].sum()),
                n_second_opinion=float(own["n_second_opinion"].sum(min_count=1)),
                **shares,
            )
            found.append(count)
    return found


TABLE = PlateTable(ClassCount, class_counts)
