"""Round after round: how much people still had to correct, and how good the weights are."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from levelfield.training.scoring import EVERY_GROUP, MEANS, POOLED
from levelfield.training.split import TEST

_Z = 1.959964  # of a normal distribution, for 95 %


def generations(
    corrections: Mapping[int, pd.DataFrame], evaluation: pd.DataFrame, newest: int
) -> pd.DataFrame:
    """Tabulate every generation of weights; generation 0 is what training started from.

    Parameters
    ----------
    corrections : mapping of int to DataFrame
        ``n_judged`` and ``n_corrected`` by field, by the generation that was trained with them: it
        is the generation *before* that people corrected.
    evaluation, newest : DataFrame, int
        Scores by ``generation``, ``role`` and ``group``; the last generation.

    Returns
    -------
    DataFrame
        A row per generation: ``generation, n_judged, n_corrected, share_corrected, share_low,
        share_high`` (Wilson's 95 % interval), and the scores on the test groups. What is not known
        yet is NaN: the newest generation has not been looked at.
    """
    rows = []
    for generation in range(newest + 1):
        row: dict[str, float] = {"generation": generation, "n_judged": 0, "n_corrected": 0}
        if generation + 1 in corrections:
            counts = corrections[generation + 1][["n_judged", "n_corrected"]].sum()
            row |= {str(name): int(n) for name, n in counts.items()}
        row |= _share(row["n_corrected"], row["n_judged"])
        rows.append(row)
    scores = evaluation[(evaluation["role"] == TEST) & (evaluation["group"] == EVERY_GROUP)]
    scores = scores[["generation", "n_images", *MEANS, *POOLED]]
    scores = scores.rename(columns={"n_images": "n_test_images"})
    return pd.DataFrame(rows).merge(scores, on="generation", how="left")


def _share(n_chosen: float, n: float) -> dict[str, float]:
    """Return a share with Wilson's interval (1927), which holds for small numbers too."""
    if not n:
        return dict.fromkeys(("share_corrected", "share_low", "share_high"), np.nan)
    share = n_chosen / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return {"share_corrected": share, "share_low": middle - half, "share_high": middle + half}
