"""Parameter advice: which parameter, from which value, which way."""

from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from report_cases import METHODS, row_of

from levelfield.config.checks import checked_sets
from levelfield.config.settings import object_sets
from levelfield.qc.wording.advice import row_advice
from levelfield.qc.wording.parameters import (
    EFFECTS,
    OPPOSITES,
    Method,
    change_for,
    clash,
    parameter_advice,
)
from levelfield.segmentation import METHODS as METHODS_THERE_ARE
from levelfield.segmentation.decoder_options import DECODING
from levelfield.steps.methods import advice_methods


def methods_of_config() -> dict[str, Method]:
    text = """
    channels: {DNA: {}, FKHR: {}}
    objects:
      Nuclei: {method: classical, channels: [DNA], parameters: {declump: {depth: 0.2}}}
      Cells:
        method: propagation
        parent: Nuclei
        channels: [FKHR]
        parameters: {threshold: {method: manual, value: 0.02}}
      Learned: {method: network, weights: some, channels: [DNA], parameters: {outline: null}}
    """
    return advice_methods(object_sets(yaml.safe_load(text)))


@pytest.mark.parametrize(
    ("name", "aim", "said"),
    [
        ("Nuclei", "smaller", "raise outline of Nuclei from 0.4 (default) by 0.05"),
        ("Nuclei", "divide_more", "lower declump.depth of Nuclei from 0.2 (default 0.08) by 0.04"),
        ("Nuclei", "find_more", "lower threshold.correction of Nuclei from 1.0 (default) by 0.1"),
        ("Cells", "larger", "lower threshold.value of Cells from 0.02 (default not set) by 0.002"),
        ("Cells", "divide_less", "follow the advice on Nuclei"),
        ("Cells", "find_more", "follow the advice on Nuclei"),
        ("Learned", "smaller", "raise decoding.foreground of Learned from 0.5 (default) by 0.1"),
        ("Learned", "divide_less", "raise decoding.depth of Learned from 0.5 (default) by 0.1"),
    ],
)
def test_advice_names_parameter_value_default_step_and_effect(name, aim, said):
    advice = parameter_advice(methods_of_config()[name], name, aim)
    assert advice.startswith(said)
    if "follow" not in said:
        assert advice.endswith(f": {EFFECTS[aim]}")


def settings_of(method: str, parameters: dict) -> Method:
    found = METHODS_THERE_ARE[method]
    rule = {"method": method, "parameters": parameters}
    rule |= dict.fromkeys(found.builds_on, "Seeds")
    rule |= {"weights": "some"} if found.weights else {}
    rule |= {"classifier": "some"} if found.classifier == "needed" else {}
    config = {"channels": {"DNA": {}}, "objects": {"Seeds": {"method": "classical"}, "Own": rule}}
    return advice_methods(checked_sets(config, METHODS_THERE_ARE))["Own"]


def test_every_parameter_that_is_advised_exists():
    decoders = [{"decoder": name} for name in DECODING]
    for name, method in METHODS_THERE_ARE.items():
        known = set()
        for parameters in decoders if name == "network" else [{}]:
            known |= set(settings_of(name, parameters).values)
        assert {knob.parameter for knob in method.knobs} <= known, name


def test_advice_of_sets_that_grow_from_another_never_contradicts_it():
    merged = row_of("merges", value=0.3, verdict="fail", reason="beyond")
    split = replace(
        row_of("splits", value=0.3, verdict="fail", reason="beyond"), object_set="Cells"
    )
    nuclei = row_advice(merged, METHODS["Nuclei"])
    cells = row_advice(split, METHODS["Cells"])
    assert "lower declump.depth of Nuclei from 0.1 (default 0.08)" in nuclei
    assert "follow the advice on Nuclei" in cells
    assert "raise" not in cells
    assert "lower" not in cells
    assert change_for(METHODS["Cells"], "divide_less") is None


def test_rows_that_ask_for_opposites_name_no_direction():
    merged = row_of("merges", value=0.3, verdict="fail", reason="beyond")
    split = row_of("splits", value=0.3, verdict="fail", reason="beyond")
    said = row_advice(merged, METHODS["Nuclei"], [split])
    assert "asks for the opposite change of declump.depth of Nuclei" in said
    assert "lower declump.depth" not in said
    harmless = replace(split, verdict="pass", reason="inside")
    assert "lower declump.depth" in row_advice(merged, METHODS["Nuclei"], [harmless])


@given(st.sampled_from(sorted(METHODS_THERE_ARE)), st.sampled_from(sorted(EFFECTS)))
def test_an_aim_clashes_with_its_opposite_and_not_with_itself(name, aim):
    knobs = METHODS_THERE_ARE[name].knobs
    method = Method({knob.parameter: 0.5 for knob in knobs}, knobs=knobs)
    assert clash(method, aim, OPPOSITES[aim])
    assert not clash(method, aim, aim)
    there, back = (change_for(method, one) for one in (aim, OPPOSITES[aim]))
    assert (there is None) == (back is None)
    if there:
        assert (there.parameter, there.raised) == (back.parameter, not back.raised)


def test_a_gross_failure_always_names_a_parameter():
    for verdict, reason in (("fail", "beyond"), ("undecided", "doubt")):
        row = row_of("missed", value=0.96, verdict=verdict, reason=reason)
        assert "lower threshold.correction of Nuclei" in row_advice(row, METHODS["Nuclei"])
    near = row_of("missed", value=0.01, verdict="undecided", reason="sampling")
    assert "threshold.correction" not in row_advice(near, METHODS["Nuclei"])
