"""One-to-one assignment of predicted to reference objects."""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from levelfield.arrays import Floats, Mask
from levelfield.labels.overlap import Overlap

METHODS = ("optimal", "greedy")


def assign(overlap: Overlap, score: Floats, threshold: float, method: str = "optimal") -> Mask:
    """Choose which overlapping pairs belong together, each object at most once.

    Parameters
    ----------
    score : (pairs,) float64
        Agreement of each pair, 0–1, e.g. ``overlap.iou``.
    threshold : float
        Score from which a pair counts as a match; others are assigned but not matched.
    method : {"optimal", "greedy"}
        ``"optimal"`` makes as many matches as possible and, among those solutions, has the
        largest summed score (StarDist's and Cellpose's rule: ``stardist.matching.matching``,
        ``cellpose.metrics.mask_ious``). ``"greedy"`` takes the best remaining pair again and again.
        Above an IoU of 0.5 both give the same matches, because no object can have two such
        partners.
    """
    if method not in METHODS:
        raise ValueError(f"Unknown matching {method!r}: choose one of {', '.join(METHODS)}.")
    if len(score) == 0:
        return np.zeros(0, bool)
    if method == "greedy":
        return _assign_greedily(overlap, score)
    return _assign_optimally(overlap, score, threshold)


def _assign_greedily(overlap: Overlap, score: Floats) -> Mask:
    prediction_free = np.ones(len(overlap.prediction_areas), bool)
    reference_free = np.ones(len(overlap.reference_areas), bool)
    assigned = np.zeros(len(score), bool)
    # A stable sort breaks ties by label, so that the result does not depend on the machine.
    for pair in np.argsort(-score, kind="stable"):
        row, column = overlap.prediction[pair], overlap.reference[pair]
        if prediction_free[row] and reference_free[column]:
            prediction_free[row] = reference_free[column] = False
            assigned[pair] = True
    return assigned


def _assign_optimally(overlap: Overlap, score: Floats, threshold: float) -> Mask:
    n_prediction, n_reference = len(overlap.prediction_areas), len(overlap.reference_areas)
    # One match outweighs every possible sum of scores, so scores only break ties.
    weight = (score >= threshold) + score / (2 * min(n_prediction, n_reference))
    # The sparse solver needs a partner for every row: a private "nobody" of weight 0. All weights
    # are raised by 1, as it treats zeros as absent; each row is assigned once, so the shift
    # changes no decision.
    nobody = np.arange(n_prediction)
    rows = np.concatenate([overlap.prediction, nobody])
    columns = np.concatenate([overlap.reference, n_reference + nobody])
    weights = 1 + np.concatenate([weight, np.zeros(n_prediction)])
    graph = csr_array((weights, (rows, columns)), shape=(n_prediction, n_reference + n_prediction))
    row, column = min_weight_full_bipartite_matching(graph, maximize=True)
    partner = np.empty(n_prediction, np.int64)
    partner[row] = column
    return partner[overlap.prediction] == overlap.reference
