"""Options that a config may set: a model of fields is the only place that describes them.

A field has a type, a default, a range, a unit and, in the docstring below it, a meaning; the JSON
Schema of the config, the errors and the tables of the documentation are made from it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Strict, ValidationError
from pydantic.fields import FieldInfo


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Number = Annotated[float, Strict()]
"""A number; neither text nor a truth value is taken for one."""
Whole = Annotated[int, BeforeValidator(_whole), Strict()]
"""A whole number, 5.0 included."""
Flag = Annotated[bool, Strict()]
"""True or false, and nothing that resembles them."""

_DROPPED = ("title", "default", "unit")
# Pydantic leaves a limit in its own words where null is allowed beside whole numbers.
_LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


class Options(BaseModel):
    """The options of a method, or a group of them; a subclass lists them as fields."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        validate_default=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def read(cls, given: Mapping[str, Any], where: str) -> Self:
        """Check the options that a config sets; everything else keeps its default.

        Raises
        ------
        ValueError
            If an option is unknown, is missing or has a value that is not allowed; the text says
            what is allowed. It begins with `where` they belong, e.g. ``"method classical"``.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            raise ValueError(_describe(dict(error.errors()[0]), cls, where)) from None

    @classmethod
    def fields(cls) -> dict[str, FieldInfo]:
        """Return the fields by name, a class's own before those that it shares with others."""
        own = [name for name in cls.model_fields if name in cls.__annotations__]
        return {name: cls.model_fields[name] for name in own} | cls.model_fields

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the defaults by name, groups of options as mappings; none of what is required."""
        values = {}
        for name, field in cls.fields().items():
            if not field.is_required():
                value = field.get_default(call_default_factory=True)
                values[name] = value.model_dump() if isinstance(value, Options) else value
        return values

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema that the config is checked against, without references."""
        raw = cls.model_json_schema()
        schema = _plain(raw, raw.pop("$defs", {}))
        schema.pop("description", None)
        properties = schema.get("properties", {})
        return schema | {"properties": {name: properties[name] for name in cls.fields()}}


def group_of(field: FieldInfo) -> type[Options] | None:
    """Return the options of a field that is a group of options, nullable or not; else None."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, Options):
            return kind
    return None


def limits_of(field: FieldInfo) -> tuple[float, float]:
    """Return the lowest and the highest value of a field; infinite where there is no limit."""
    limits = {"ge": float("-inf"), "gt": float("-inf"), "le": float("inf"), "lt": float("inf")}
    for part in field.metadata:
        limits |= {name: getattr(part, name) for name in limits if hasattr(part, name)}
    return max(limits["ge"], limits["gt"]), min(limits["le"], limits["lt"])


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """Return the words that a field may hold; none if it holds something else."""
    return tuple(value for value in get_args(field.annotation) if isinstance(value, str))


def meaning(description: str | None) -> str:
    """Return a description in one line, as docstrings are wrapped."""
    return " ".join((description or "").split())


def _plain(rule: Mapping[str, Any], groups: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule as a person would write it: references resolved, null as one more type."""
    if "$ref" in rule:
        group = dict(groups[rule["$ref"].rsplit("/", 1)[1]])
        group.pop("description", None)
        rule = group | {name: value for name, value in rule.items() if name != "$ref"}
    plain = {_LIMITS.get(name, name): value for name, value in rule.items() if name not in _DROPPED}
    if isinstance(plain.get("description"), str):
        plain["description"] = meaning(plain["description"])
    if "properties" in plain:
        plain["properties"] = {
            name: _plain(part, groups) for name, part in plain["properties"].items()
        }
    if "prefixItems" in plain:
        plain["items"] = _plain(plain.pop("prefixItems")[0], groups)
    elif "items" in plain:
        plain["items"] = _plain(plain["items"], groups)
    if "enum" in plain or "const" in plain:
        plain.pop("type", None)
        plain |= {"enum": plain.get("enum") or [plain.pop("const")]}
    if "anyOf" in plain:
        parts = [_plain(part, groups) for part in plain.pop("anyOf")]
        plain = _with_null(parts) | plain
    return plain


def _with_null(parts: list[dict[str, Any]]) -> dict[str, Any]:
    null = {"type": "null"}
    others = [part for part in parts if part != null]
    kind = others[0].get("type") if null in parts and len(others) == 1 else None
    if isinstance(kind, str) and kind != "object":
        return others[0] | {"type": [kind, "null"]}
    return {"anyOf": parts}


def _describe(error: Mapping[str, Any], options: type[Options], where: str) -> str:
    """Say in a person's words what is wrong with which option, and what is allowed."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    *above, name = [str(part) for part in error["loc"]]
    for group in above:
        field = options.model_fields.get(group)
        options = (group_of(field) if field else None) or options
    full, value = ".".join([*above, name]), error["input"]
    if above:
        where = ".".join([where.removeprefix("method "), *above])
    if error["type"] == "extra_forbidden":
        allowed = ", ".join(options.fields()) or "none"
        return f"{where}: unknown parameter {name!r} (value {value!r}); allowed are {allowed}"
    if error["type"] == "missing":
        return f"{where}: parameter {name!r} is required"
    field = options.model_fields.get(name)
    choices = choices_of(field) if field else ()
    if choices:
        return f"{full} is {value!r}; allowed are {', '.join(choices)}"
    if error["type"].startswith("bool"):
        return f"{full} is {value!r}; it must be true or false"
    if field and error["type"].startswith(("float", "int", "greater", "less")):
        low, high = limits_of(field)
        return f"{full} is {value!r}; it must be a number from {low:g} to {high:g}"
    return f"{full} is {value!r}: {error['msg']}"
