"""The ONNX file format, as far as a small network needs it: a graph of nodes, as bytes.

ONNX is a protocol buffer: fields with a number, each a whole number or a string of bytes. The
numbers are those of the specification (https://github.com/onnx/onnx, ``onnx/onnx.proto``), which
never change. The library `onnx` is for reading and checking as well, and takes 30 MB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from levelfield.arrays import AnyArray

_OPSET, _IR_VERSION = 17, 8  # the oldest format that holds this set of operations
_FLOAT, _INT64 = 1, 7  # types of tensors
_OF_INT, _OF_STRING, _OF_INTS = 2, 3, 7  # types of attributes

Value = int | str | bytes
Attribute = int | str | Sequence[int]


@dataclass(frozen=True)
class Node:
    """One operation; its inputs and outputs are names of values."""

    operation: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


def encode_model(
    nodes: Sequence[Node],
    constants: Mapping[str, AnyArray],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Mapping[str, Sequence[int | str]],
    facts: Mapping[str, str],
) -> bytes:
    """Return a model as an ONNX file holds it, with facts about it.

    Nodes come in the order in which they can be computed, constants are float32 or int64. Inputs
    and outputs are shapes of float32; a string stands for a length that is not known.
    """
    graph = _message(
        *((1, _node(node)) for node in nodes),
        (2, "network"),
        *((5, _tensor(name, values)) for name, values in constants.items()),
        *((11, _value(name, shape)) for name, shape in inputs.items()),
        *((12, _value(name, shape)) for name, shape in outputs.items()),
    )
    return _message(
        (1, _IR_VERSION),
        (2, "levelfield"),
        (7, graph),
        (8, _message((2, _OPSET))),
        *((14, _message((1, key), (2, value))) for key, value in facts.items()),
    )


def _message(*fields: tuple[int, Value]) -> bytes:
    return b"".join(_field(number, value) for number, value in fields)


def _field(number: int, value: Value) -> bytes:
    """Return a field: its number and kind, then a whole number, or bytes after their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value % 2**64)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Return a whole number, seven bits in each byte, the lowest first."""
    if number > 127:
        return bytes([number & 127 | 128]) + _varint(number >> 7)
    return bytes([number])


def _node(node: Node) -> bytes:
    return _message(
        *((1, name) for name in node.inputs),
        *((2, name) for name in node.outputs),
        (3, node.outputs[0]),
        (4, node.operation),
        *((5, _attribute(name, value)) for name, value in node.attributes.items()),
    )


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, int):
        return _message((1, name), (3, value), (20, _OF_INT))
    if isinstance(value, str):
        return _message((1, name), (4, value), (20, _OF_STRING))
    return _message((1, name), *((8, number) for number in value), (20, _OF_INTS))


def _tensor(name: str, values: AnyArray) -> bytes:
    kind = {"float32": _FLOAT, "int64": _INT64}[values.dtype.name]
    content = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return _message(*((1, length) for length in values.shape), (2, kind), (8, name), (9, content))


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    lengths = [(1, _message((1 if isinstance(side, int) else 2, side))) for side in shape]
    tensor = _message((1, _FLOAT), (2, _message(*lengths)))
    return _message((1, name), (2, _message((1, tensor))))
