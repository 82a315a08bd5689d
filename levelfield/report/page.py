"""The report of one plate: one page, verdict first, that needs nothing but itself."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup

from levelfield.config.planted import COLUMN, planted_note
from levelfield.qc.statistics.comparison import Comparison, comparisons
from levelfield.qc.tables.counts import ClassCount
from levelfield.qc.tables.trend import Trend
from levelfield.qc.wording.headlines import plate_headline
from levelfield.qc.wording.numbers import count, interval, measured, plain
from levelfield.qc.wording.parameters import Method
from levelfield.qc.wording.questions import BOTH_CLASSES, CLASS_TITLES, MEASURE_TITLES
from levelfield.qc.wording.steps import next_step_words
from levelfield.questions import QUESTIONS, SCOPES
from levelfield.report.answers import answer_views
from levelfield.report.browser import browser_data, script_data
from levelfield.report.collages import ShownCollages
from levelfield.report.crops import ERROR_TYPES, Crop
from levelfield.report.distributions import control_groups, draw_distribution, draw_image_thresholds
from levelfield.report.funnel import draw_funnel
from levelfield.report.gallery import Gallery, GalleryPicture
from levelfield.report.heatmaps import draw_plate_map, map_definitions
from levelfield.report.quantities import quantities
from levelfield.report.records import ShownAnswer, class_margins, grouped, read_answers
from levelfield.report.side_tables import (
    not_covered_rows,
    per_field,
    percent,
    side_rows,
    trend_words,
    whole,
)
from levelfield.report.svg import drawing, marker
from levelfield.report.truth import truth_answers


@dataclass(frozen=True)
class PlateReport:
    """All that the page of a plate shows; tables have the names of their files.

    Attributes
    ----------
    illumination_pictures : mapping of str to bytes
        A PNG per channel.
    config : mapping
        The config of the run.
    fingerprints : mapping of str to str
        Checksums that tie the page to its inputs, by name.
    truth : pandas.DataFrame or None
        ``qc/truth.csv``: what reference labels say beside what the evidence says.
    timings : pandas.DataFrame or None
        From `levelfield.execution.timings.plate_timings`: what the jobs of the plate took.
    gpu_timings : pandas.DataFrame or None
        From `levelfield.execution.timings.gpu_timings`: what they made of GPUs.
    with_browser : bool
        Whether the files of the plate browser lie beside the page
        (`levelfield.report.well_files`).
    collages : ShownCollages or None
        What was read of collages, where some were made.
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
    gpu_timings: pd.DataFrame | None = None
    with_browser: bool = False
    image_quality: pd.DataFrame | None = None
    collages: ShownCollages | None = None


def plate_page(data: PlateReport) -> str:
    """Write the report of a plate as one HTML page, which needs nothing but itself.

    It holds no date, so the same tables give the same bytes.

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
        "image_quality": _image_quality(data.image_quality),
        "reasons": _repeated(data.excluded["reason"]),
        "versions": data.versions,
        "weights": data.config.get("weights", {}),
        "config": yaml.safe_dump(
            json.loads(json.dumps(data.config, default=str)), sort_keys=False, allow_unicode=True
        ),
        "fingerprints": data.fingerprints,
        "timings": [] if data.timings is None else data.timings.to_dict("records"),
        "gpu_timings": [] if data.gpu_timings is None else data.gpu_timings.to_dict("records"),
    }
    parts |= _verdict_parts(data, pairs) | _drawn_parts(data, pairs)
    parts |= _gallery_parts(data.gallery, set(data.verdict["object_set"]))
    parts |= {"truths": truth_answers(data.truth), "crop_sets": _crop_sets(data)}
    parts |= {"collages": data.collages}
    return environment().get_template("plate.html.j2").render(parts)


def _image_quality(findings: pd.DataFrame | None) -> dict[str, list[dict[str, Any]]]:
    """Return what image quality found of classes and of sites; nothing where it was not judged."""
    if findings is None:
        return {}
    return {
        scope: findings[findings["scope"] == scope].to_dict("records")
        for scope in ("class", "site")
    }


def _planted_wells(layout: pd.DataFrame) -> set[str]:
    if COLUMN not in layout:
        return set()
    return set(layout.loc[layout[COLUMN] != "", "Metadata_Well"])


def _verdict_parts(data: PlateReport, pairs: Sequence[Comparison]) -> dict[str, Any]:
    found = read_answers(data.answers, data.verdict)
    views = answer_views(found, pairs, data.methods)
    by_question = grouped(views, lambda view: view.question)
    not_covered = not_covered_rows(data.not_covered)
    return {
        "headline": plate_headline(found, data.plate.iloc[0].to_dict()),
        "answer_groups": list(grouped(views, lambda view: view.answer.object_set).items()),
        "question_groups": [
            (question, by_question[question])
            for question in QUESTIONS.values()
            if question in by_question
        ],
        "to_be_sure": _to_be_sure(found),
        "both_classes": BOTH_CLASSES,
        "counts": side_rows(data.counts, ClassCount, "qc/counts.csv"),
        "trends": side_rows(data.trend, Trend, "qc/trend.csv"),
        "not_covered": not_covered,
        "not_covered_known": data.not_covered is not None,
        "n_treated": max((answer.n_treated for answer in found), default=0),
        "n_not_covered": len({row.well for row in not_covered}),
    }


def _to_be_sure(answers: Sequence[ShownAnswer]) -> list[str]:
    """Say once what would confirm what was decided without anybody looking.

    With several reviews it is the largest, which serves the others too.
    """
    wanted = grouped(
        (answer for answer in answers if answer.unreviewed), lambda answer: answer.next_step.kind
    )
    largest = [max(own, key=lambda answer: answer.next_step.amount) for own in wanted.values()]
    words = [next_step_words(own.next_step) for own in largest]
    return [f"To be sure: {said}" for said in words if said]


def _drawn_parts(data: PlateReport, pairs: Sequence[Comparison]) -> dict[str, Any]:
    object_sets = list(data.verdict["object_set"].unique())
    margins = class_margins(data.verdict)
    shown = quantities(data.wells, data.sites, data.qc_wells, object_sets, margins)
    browser = script_data(browser_data(data, shown, pairs)) if data.with_browser else ""
    groups = control_groups(pairs)
    sets = object_sets if groups else []
    sites, wells = data.qc_sites, data.qc_wells
    return {
        "n_wells": data.n_wells,
        "browser": browser,
        "map_definitions": map_definitions(),
        "plate_maps": [
            (quantity.name, draw_plate_map(quantity, data.n_wells, data.layout))
            for quantity in shown
        ],
        "distributions": [
            (
                f"{quantity.name} ({quantity.unit})" if quantity.unit else quantity.name,
                draw_distribution(quantity, groups),
            )
            for quantity in shown
            if groups
        ],
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
    by_set: dict[str, list[Crop]] = {str(name): [] for name in data.verdict["object_set"].unique()}
    by_set |= grouped(data.crops, lambda crop: crop.choice.object_set)
    found = []
    for name, own in by_set.items():
        errors = grouped(own, lambda crop: crop.choice.error)
        controls = [
            ((error, texts[error]), list(grouped(crops, _control).items()))
            for error, crops in errors.items()
        ]
        found += [(name, controls)] if controls else []
    return found


def _control(shown: Crop | GalleryPicture) -> tuple[str, str]:
    return shown.choice.scope, shown.choice.control


def _gallery_parts(gallery: Gallery, judged: set[str]) -> dict[str, Any]:
    return {
        "gallery": gallery,
        "gallery_controls": list(grouped(gallery.pictures, _control).items()),
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
    made.filters.update(whole=whole, percent=percent, trend_words=trend_words)
    made.globals.update(count=count, interval=interval, per_field=per_field, scopes=SCOPES)
    made.globals.update(measure_titles=MEASURE_TITLES, script=script)
    return made


def script(name: str) -> Markup:
    """Return a script of the page, to be written into it as it stands."""
    return Markup((files("levelfield.report") / "templates" / name).read_text("utf-8"))


def data_url(picture: bytes) -> str:
    """Return a PNG or WebP picture as the address of itself."""
    kind = "png" if picture.startswith(b"\x89PNG") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def sign(scope: str) -> Markup:
    """Return the marker of a class, for use in a line of text."""
    picture = drawing(12, 12, CLASS_TITLES.get(scope, scope), [marker(scope, 6, 6, 4.5)])
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
    """Count the reasons, unless each is given once and the list would say nothing new."""
    counts = reasons.value_counts(sort=False)
    return list(counts.items()) if len(counts) < len(reasons) else []
