"""The jobs of a screen: the plan, divided as the workflow divides it.

A test compares this list with what Snakemake plans.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from levelfield.config.plan import Plan
from levelfield.config.plates import Plate
from levelfield.config.results import RULES, Results


@dataclass(frozen=True)
class Job:
    """One job of the plan."""

    rule: str
    plate: str  # empty for the whole screen
    pack: str  # empty for the whole plate; of the screen's jobs what is fetched or trained
    wells: tuple[str, ...]  # that it works on; empty for the whole plate
    log: Path
    timing: Path  # table of what it took
    output: Path  # file by which it is known to be done


def planned_jobs(plan: Plan) -> list[Job]:
    """Return every job of a screen, plate by plate in the order of the work."""
    results = plan.results
    jobs = list(_weights_jobs(plan))
    for name in plan.classifiers:
        jobs.append(_job(results, "train_pixel_classifier", name, classifier=name))
    for plate in plan.plates.values():
        jobs += _plate_jobs(plan, plate)
    return jobs + [_job(results, rule.name) for rule in RULES.values() if rule.unit == "screen"]


def _plate_jobs(plan: Plan, plate: Plate) -> Iterator[Job]:
    needed = {
        "measure_thresholds": plan.plate_thresholds,
        "measure_diameters": plan.plate_diameters,
        "check_review": plan.review(plate.name) is not None,
        "review_page": False,  # on demand
        "qc_collages": plan.collages,
        "evaluate": plate.name in plan.references,
        "qc_truth": plate.name in plan.references,
    }
    for rule in RULES.values():
        if rule.unit == "pack":
            for pack, wells in plate.packs.items():
                yield _job(plan.results, rule.name, pack, wells, plate=plate.name, pack=pack)
        elif rule.unit == "plate" and needed.get(rule.name, True):
            yield _job(plan.results, rule.name, plate=plate.name)


def _weights_jobs(plan: Plan) -> Iterator[Job]:
    """Yield the jobs that fetch or train what the object sets name."""
    named = plan.named_weights
    used = [plan.networks[name] for name in named if name in plan.networks]
    fetched = {name for name in named if name not in plan.networks}
    fetched |= {network.start for network in used} - {""}
    for name in sorted(fetched):
        yield _job(plan.results, "fetch_weights", name, weights=name)
    for network in used:
        name, generation = network.name, network.generation
        if generation and network.corrections:
            folder = f"{name}/generation_{generation}"
            yield _job(plan.results, "collect_training", name, collection=folder)
        if generation:
            yield _job(plan.results, "train_network", name, network=name, generation=generation)


def _job(
    results: Results, rule: str, name: str = "", wells: tuple[str, ...] = (), **wildcards: str | int
) -> Job:
    return Job(
        rule=rule,
        plate=str(wildcards.get("plate", "")),
        pack=name,
        wells=wells,
        log=Path(results.log(rule, **wildcards)),
        timing=Path(results.timing(rule, **wildcards)),
        output=Path(results.file(rule, "", **wildcards)),
    )
