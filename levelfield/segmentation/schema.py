"""The part of the config's JSON Schema that follows from the methods."""

from collections.abc import Mapping
from typing import Any

from levelfield.config.planted import PARENT_ROLES
from levelfield.config.sheets import written_parts
from levelfield.segmentation.method import Method
from levelfield.segmentation.registry import METHODS

_NEEDED = {
    "weights": "a name of levelfield/weights/catalogue.yaml or of the config's section weights",
    "files": "the path of the label image of a field",
    "classifier": "a name of the config's section pixel_classifiers",
    **dict.fromkeys(PARENT_ROLES, "an object set that is made before this one"),
}


def config_parts() -> dict[str, dict[str, Any]]:
    """Return all schemas that config.yaml refers to, by the names by which it does."""
    return written_parts() | {"methods": method_schema()}


def method_schema(methods: Mapping[str, Method] = METHODS) -> dict[str, Any]:
    """Return the JSON Schema of what an object set needs and may set, by its method.

    Its ``$defs`` are ``name`` (of a method), ``object_set`` (its keys, by the method), and the
    schemas of the ``parameters`` by method.
    """
    options = {
        name: method.options.json_schema()
        | {"description": f"{method.makes[0].upper()}{method.makes[1:]}."}
        for name, method in methods.items()
    }
    return {
        "$defs": {
            "name": {"enum": list(methods), "description": "The segmenter."},
            "object_set": {"allOf": [_rule(name, methods[name]) for name in methods]},
            "parameters": options,
        }
    }


def _rule(name: str, method: Method) -> dict[str, Any]:
    needed = {
        key: {"description": f"Method {name} needs {_NEEDED[key]}."}
        for key in (*method.keys, *method.builds_on)
    }
    parameters = {"parameters": {"$ref": f"#/$defs/parameters/{name}"}}
    return {
        "if": {"required": ["method"], "properties": {"method": {"const": name}}},
        "then": {"required": list(needed), "properties": needed | parameters},
    }
