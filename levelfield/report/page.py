"""The report of one plate: one page, verdict first, that needs nothing but itself."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup

from levelfield.config.planted import COLUMN, planted_note
from levelfield.qc.statistics.comparison import Comparison, comparisons
from levelfield.qc.wording.headlines import plate_headline
from levelfield.qc.wording.numbers import count, interval, measured, plain
from levelfield.qc.wording.parameters import Method
from levelfield.qc.wording.questions import BOTH_CLASSES, QUESTIONS
from levelfield.qc.wording.steps import next_step_words
from levelfield.report.answers import AnswerView, answer_views
from levelfield.report.crops import ERROR_TYPES, Crop
from levelfield.report.distributions import control_groups, draw_distribution
from levelfield.report.funnel import draw_funnel
from levelfield.report.gallery import Gallery, GalleryPicture
from levelfield.report.heatmaps import draw_plate_map, map_definitions
from levelfield.report.image_thresholds import draw_image_thresholds
from levelfield.report.quantities import quantities
from levelfield.report.records import class_margins, read_answers
from levelfield.report.shown import ShownAnswer
from levelfield.report.side_tables import count_lines, not_covered_lines, trend_lines
from levelfield.report.svg import drawing, marker
from levelfield.report.truth import truth_answers


@dataclass(frozen=True)
class PlateReport:
    """All that the page of a plate shows.

    Attributes
    ----------
    plate : pandas.DataFrame
        ``plate.csv``: one row of facts.
    n_wells : int
        Plate format, 6 to 1536.
    layout : pandas.DataFrame
        From `levelfield.config.layouts.read_layout`.
    sites, wells, excluded, readouts : pandas.DataFrame
        The tables of those names; ``readouts`` holds Z′.
    answers, verdict, qc_sites, qc_wells : pandas.DataFrame
        The tables under ``qc/``.
    counts, trend, not_covered : pandas.DataFrame or None
        ``qc/counts.csv``, ``qc/trend.csv`` and ``qc/not_covered.csv``
        (`levelfield.report.side_tables`).
    methods : mapping of str to Method
        How each object set is segmented, for parameter advice.
    truth : pandas.DataFrame or None
        ``qc/truth.csv``: what reference labels say beside what the evidence says.
    crops : tuple of Crop
        From `levelfield.report.crops.draw_crops`.
    illumination : pandas.DataFrame
        ``illumination.csv``: channel, status, reason and more.
    illumination_pictures : mapping of str to bytes
        A PNG per channel.
    gallery : Gallery
        From `levelfield.report.gallery.draw_gallery`.
    versions : mapping of str to str
        Version by name of the software.
    config : mapping
        The config of the run.
    fingerprints : mapping of str to str
        Checksums that tie the page to its inputs, by name.
    timings : pandas.DataFrame or None
        From `levelfield.execution.timings.plate_timings`: what the jobs of the plate took.
    """

    plate: pd.DataFrame
    n_wells: int
    layout: pd.DataFrame
    sites: pd.DataFrame
    wells: pd.DataFrame
    excluded: pd.DataFrame
    readouts: pd.DataFrame
    answers: pd.DataFrame
    verdict: pd.DataFrame
    qc_sites: pd.DataFrame
    qc_wells: pd.DataFrame
    illumination: pd.DataFrame
    illumination_pictures: Mapping[str, bytes]
    gallery: Gallery
    versions: Mapping[str, str]
    config: Mapping[str, Any]
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    counts: pd.DataFrame | None = None
    trend: pd.DataFrame | None = None
    not_covered: pd.DataFrame | None = None
    methods: Mapping[str, Method] = field(default_factory=dict)
    truth: pd.DataFrame | None = None
    crops: tuple[Crop, ...] = ()
    timings: pd.DataFrame | None = None


def plate_page(data: PlateReport) -> str:
    """Write the report of a plate as one HTML page.

    Everything that it shows is inside it: style, drawings and pictures. It holds no date, so the
    same tables give the same bytes.

    Raises
    ------
    ValueError
        If the verdict lacks the rows that answer for the plate.
    """
    pairs = comparisons(data.layout)
    facts = data.plate.iloc[0].to_dict()
    parts = {
        "name": str(facts["Metadata_Plate"]),
        "planted": planted_note(data.config.get("objects", {})),
        "planted_wells": _planted_wells(data.layout),
        "facts": facts,
        "summary": _summary(data, facts),
        "readouts": data.readouts.to_dict("records"),
        "illumination": data.illumination.to_dict("records"),
        "illumination_pictures": data.illumination_pictures,
        "excluded": data.excluded.to_dict("records"),
        "reasons": _repeated(data.excluded["reason"]),
        "versions": data.versions,
        "weights": data.config.get("weights", {}),
        "config": yaml.safe_dump(_plain(data.config), sort_keys=False, allow_unicode=True),
        "fingerprints": data.fingerprints,
        "timings": [] if data.timings is None else data.timings.to_dict("records"),
    }
    parts |= _verdict_parts(data, pairs) | _drawn_parts(data, pairs)
    parts |= _qc_picture_parts(data, pairs)
    parts |= _gallery_parts(data.gallery, set(data.verdict["object_set"]))
    parts |= {"truths": truth_answers(data.truth), "crop_sets": _crop_sets(data)}
    return environment().get_template("plate.html.j2").render(parts)


def _planted_wells(layout: pd.DataFrame) -> set[str]:
    if COLUMN not in layout:
        return set()
    return set(layout.loc[layout[COLUMN] != "", "Metadata_Well"])


def _verdict_parts(data: PlateReport, pairs: Sequence[Comparison]) -> dict[str, Any]:
    found = read_answers(data.answers, data.verdict)
    groups: dict[str, list[AnswerView]] = {}
    by_question: dict[str, list[AnswerView]] = {}
    for view in answer_views(found, pairs, data.methods):
        groups.setdefault(view.answer.object_set, []).append(view)
        by_question.setdefault(view.question.key, []).append(view)
    not_covered = not_covered_lines(data.not_covered)
    return {
        "headline": plate_headline(found, data.plate.iloc[0].to_dict()),
        "answer_groups": list(groups.items()),
        "question_groups": [
            (question, by_question[key])
            for key, question in QUESTIONS.items()
            if key in by_question
        ],
        "to_be_sure": _to_be_sure(found),
        "both_classes": BOTH_CLASSES,
        "counts": count_lines(data.counts),
        "trends": trend_lines(data.trend),
        "not_covered": not_covered,
        "not_covered_known": data.not_covered is not None,
        "n_treated": max((one.n_treated for one in found), default=0),
        "n_not_covered": len({one.well for one in not_covered}),
    }


def _to_be_sure(answers: Sequence[ShownAnswer]) -> list[str]:
    """Say once what would confirm what was decided without anybody looking.

    Of several reviews it is the largest, which serves the others too.
    """
    largest: dict[tuple[str, bool], ShownAnswer] = {}
    for one in answers:
        if one.unreviewed:
            key = one.next_step.kind, one.worst.measure_name == "missed"
            known = largest.setdefault(key, one)
            if one.next_step.amount > known.next_step.amount:
                largest[key] = one
    words = [next_step_words(one.next_step, one.worst.measure_name) for one in largest.values()]
    return [f"To be sure: {one}" for one in words if one]


def _drawn_parts(data: PlateReport, pairs: Sequence[Comparison]) -> dict[str, Any]:
    object_sets = list(data.verdict["object_set"].unique())
    margins = class_margins(data.verdict)
    shown = quantities(data.wells, data.sites, data.qc_wells, object_sets, margins)
    groups = control_groups(pairs)
    return {
        "n_wells": data.n_wells,
        "map_definitions": map_definitions(),
        "plate_maps": [(one.name, draw_plate_map(one, data.n_wells, data.layout)) for one in shown],
        "distributions": [
            (f"{one.name} ({one.unit})" if one.unit else one.name, draw_distribution(one, groups))
            for one in shown
            if groups
        ],
    }


def _qc_picture_parts(data: PlateReport, pairs: Sequence[Comparison]) -> dict[str, Any]:
    groups = control_groups(pairs)
    sets = data.verdict["object_set"].unique() if groups else []
    sites, wells = data.qc_sites, data.qc_wells
    return {
        "image_thresholds": [
            (name, draw_image_thresholds(sites[sites["object_set"] == name], groups))
            for name in sets
        ],
        "funnels": [
            (name, draw_funnel(wells[wells["object_set"] == name], groups)) for name in sets
        ],
    }


def _crop_sets(data: PlateReport) -> list[tuple[str, list[Any]]]:
    """Order crops by object set, as in the verdict, by error type and control."""
    texts = {error.name: error.text for error in ERROR_TYPES}
    sets: dict[str, dict[tuple[str, str], dict[tuple[str, str], list[Crop]]]] = {
        name: {} for name in data.verdict["object_set"].unique()
    }
    for crop in data.crops:
        one = crop.choice
        errors = sets.setdefault(one.object_set, {})
        controls = errors.setdefault((one.error, texts[one.error]), {})
        controls.setdefault((one.scope, one.control), []).append(crop)
    return [
        (name, [(error, list(controls.items())) for error, controls in errors.items()])
        for name, errors in sets.items()
        if errors
    ]


def _gallery_parts(gallery: Gallery, judged: set[str]) -> dict[str, Any]:
    controls: dict[tuple[str, str], list[GalleryPicture]] = {}
    for picture in gallery.pictures:
        key = picture.choice.scope, picture.choice.control
        controls.setdefault(key, []).append(picture)
    return {
        "gallery": gallery,
        "gallery_controls": list(controls.items()),
        # Sets that the verdict leaves out, as cytoplasm, would hide the outlines of their parents.
        "outlines_shown": judged.intersection(gallery.outline_colours) or gallery.outline_colours,
        "outline_number": {name: i for i, name in enumerate(gallery.outline_colours, start=1)},
        "views": list(gallery.pictures[0].views) if gallery.pictures else [],
    }


@cache
def environment() -> jinja2.Environment:
    """Return the templates: everything is escaped, and a missing value is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("levelfield.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(plain=plain, measured=measured, data_url=data_url, sign=sign)
    made.globals.update(count=count, interval=interval)
    return made


def data_url(picture: bytes) -> str:
    """Return a PNG or WebP picture as the address of itself."""
    kind = "png" if picture.startswith(b"\x89PNG") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def sign(scope: str) -> Markup:
    """Return the marker of a class, for use in a line of text."""
    names = {"negcon": "negative control", "poscon": "positive control"}
    picture = drawing(12, 12, names.get(scope, scope), [marker(scope, 6, 6, 4.5)])
    return picture.replace(Markup("<svg"), Markup('<svg class="sign"'), 1)


def _summary(data: PlateReport, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    kinds = data.layout["Metadata_ControlType"].value_counts()
    counts = [name for name in data.sites if name.startswith("Count_")]
    objects = ", ".join(
        f"{int(data.sites[name].sum()):,} {name.removeprefix('Count_')}" for name in counts
    )
    controls = f"{kinds.get('negcon', 0)} negative, {kinds.get('poscon', 0)} positive"
    return [
        ("Format", f"{data.n_wells} wells, {facts['n_wells']} in the layout"),
        ("Control wells", controls),
        ("Images", f"{facts['n_sites']:,} sites, {facts['n_excluded']:,} left out"),
        ("Objects", objects or "none"),
    ]


def _repeated(reasons: pd.Series) -> list[tuple[str, int]]:
    """Count the reasons, unless each stands there once and the list would say nothing new."""
    counts = reasons.value_counts(sort=False)
    return list(counts.items()) if len(counts) < len(reasons) else []


def _plain(value: object) -> object:
    """Return a config of plain types only, which YAML writes without tags."""
    if isinstance(value, Mapping):
        return {str(key): _plain(own) for key, own in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(own) for own in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
