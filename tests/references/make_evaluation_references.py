"""Let independent implementations judge the evaluation's test cases; writes evaluation.json.

Run by hand, in an environment of its own, whenever a case or an implementation changes:

    python -m venv ENV
    ENV/bin/pip install numpy scipy scikit-image scikit-learn pandas tifffile numba six \
        fastremap tqdm py-ctcmetrics==1.3.3 medpy==0.5.2
    ENV/bin/pip install --no-deps stardist==0.9.2 csbdeep==0.8.2 cellpose==4.2.1.1
    cd tests/references && ENV/bin/python make_evaluation_references.py

What is taken from each: true positives and panoptic quality from `stardist.matching`, true
positives and aggregated Jaccard index from `cellpose.metrics`, SEG and DET from `py-ctcmetrics`,
Hausdorff-95 from `medpy`.
"""

import importlib.metadata
import json
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import stardist.matching
import tifffile
from ctc_metrics.metrics.technical.det import det
from ctc_metrics.metrics.technical.seg import seg
from ctc_metrics.utils.representations import count_acyclic_graph_correction_operations, match
from medpy.metric import binary
from skimage.segmentation import relabel_sequential

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
# cellpose imports PyTorch to print its version, and cellpose.utils; the scores use neither.
sys.modules["cellpose.utils"] = types.ModuleType("cellpose.utils")
sys.modules["torch"] = types.ModuleType("torch")
sys.modules["torch"].__version__ = "not needed"

import cellpose.metrics  # noqa: E402
import evaluation_cases  # noqa: E402

THRESHOLDS = [percent / 100 for percent in range(50, 100, 5)]
PACKAGES = ("stardist", "cellpose", "py-ctcmetrics", "medpy", "numpy", "scipy")


def divide_in_double_precision(amount, total, eps=1e-10):
    """StarDist's division, which rounds to float32, in float64: its definition to 1e-12."""
    amount, total = np.broadcast_arrays(np.asarray(amount, float), np.asarray(total, float))
    quotient = np.zeros(amount.shape)
    np.divide(amount, total, out=quotient, where=np.abs(total) > eps)
    return quotient if quotient.ndim else float(quotient)


def from_stardist(prediction, reference):
    counted = stardist.matching.matching(reference, prediction, thresh=THRESHOLDS)
    original = stardist.matching._safe_divide
    stardist.matching._safe_divide = divide_in_double_precision
    exact = stardist.matching.matching(reference, prediction, thresh=0.5, report_matches=True)
    stardist.matching._safe_divide = original
    pairs = [exact.matched_pairs[i] for i in exact.matched_tps] if exact.tp else []
    return pairs, {
        "stardist_true_positives": [int(c.tp) for c in counted],
        "stardist_false_positives": [int(c.fp) for c in counted],
        "stardist_false_negatives": [int(c.fn) for c in counted],
        "stardist_panoptic_quality": float(exact.panoptic_quality),
        "stardist_mean_matched_score": float(exact.mean_matched_score),
    }


def from_cellpose(prediction, reference):
    prediction, reference = (relabel_sequential(x)[0] for x in (prediction, reference))
    _, true, _, _ = cellpose.metrics.average_precision(reference, prediction, THRESHOLDS)
    jaccard = cellpose.metrics.aggregated_jaccard_index([reference], [prediction])[0]
    return {
        "cellpose_true_positives": [int(t) for t in true],
        "cellpose_aggregated_jaccard": float(jaccard),
    }


def from_cell_tracking_challenge(prediction, reference):
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("reference.tif", "prediction.tif")]
        for path, labels in zip(paths, (reference, prediction), strict=True):
            tifffile.imwrite(path, labels)
        matched = [[part] for part in match(*paths)]
    labels_ref, labels_comp, mapped_ref, mapped_comp, ious = matched
    operations = count_acyclic_graph_correction_operations(
        None, None, labels_ref, labels_comp, mapped_ref, mapped_comp
    )
    return {"ctc_seg": seg(labels_ref, ious), "ctc_det": det(**operations)}


def from_medpy(prediction, reference, pairs):
    """The larger directed 95th percentile, of medpy's surface distances, per matched pair."""
    distances = getattr(binary, "__surface_distances")
    result = []
    for reference_label, prediction_label in pairs:
        two = prediction == prediction_label, reference == reference_label
        directed = [np.percentile(distances(a, b), 95) for a, b in (two, two[::-1])]
        result.append([int(reference_label), int(prediction_label), float(max(directed))])
    return {"medpy_hausdorff95": sorted(result)}


def judge(prediction, reference):
    pairs, scores = from_stardist(prediction, reference)
    scores |= from_cellpose(prediction, reference)
    scores |= from_cell_tracking_challenge(prediction, reference)
    if len(pairs) <= 60:
        scores |= from_medpy(prediction, reference, pairs)
    # Tells a changed case from a changed score.
    scores["label_sum"] = int(prediction.sum(dtype=np.int64))
    return scores


def main():
    cases = {}
    for name in evaluation_cases.example_names():
        reference, predictions = evaluation_cases.predicted_cases(name)
        cases[name] = {kind: judge(labels, reference) for kind, labels in predictions.items()}
        print(name, *cases[name])
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    lines = [f' "{name}": {{\n{_lines(kinds)}\n }}' for name, kinds in cases.items()]
    body = ",\n".join(lines)
    text = f'{{"versions": {json.dumps(versions)},\n"cases": {{\n{body}\n}}}}\n'
    (HERE / "evaluation.json").write_text(text)


def _lines(kinds):
    """Format one case a line, so that a change shows in a diff."""
    return ",\n".join(f'  "{kind}": {json.dumps(scores)}' for kind, scores in kinds.items())


if __name__ == "__main__":
    main()
