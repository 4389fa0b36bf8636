"""MATLAB files of version 4 to 7 (numbered 5 in the file), parsed here.

Not by scipy: its compiled parser takes types of elements from the file as positions in a table without
looking at its bounds, and a damaged file then ends the process (scipy 1.17).

Reference: MathWorks, MAT-File Format, 2023.
"""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.arrays import MAX_DEPTH
from charz.readers.containers import refuse_larger
from charz.readers.guard import foreign
from charz.readers.matlab_values import COMPLEX, DEEP, MAX_CELLS, OBJECT, SPARSE, Refused, Value, strings

NOUN = "a MATLAB file"
MAX_RATIO = 100
MAX_EXTRA = 400_000_000
_HEADER = 128
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED, _UTF8 = 1, 5, 6, 14, 15, 16
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_LETTERS = {1: "u1", 2: "u1", 4: "u2", 17: "u2", 18: "u4"}
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _OPAQUE = 1, 2, 3, 4, 5, 17
_NUMBERS = range(6, 16)
_IS_COMPLEX = 0x800
_TYPES_4 = ("f8", "f4", "i4", "i2", "u2", "u1")


class _Flow(NamedTuple):
    """Bytes of one element, and their order (``<`` or ``>``)."""

    data: memoryview
    order: str

    def integer(self, place: int) -> int:
        return int(self.array("u4", self.data[place : place + 4])[0])

    def array(self, kind: str, data: memoryview) -> NDArray[Any]:
        return np.frombuffer(data, dtype=np.dtype(self.order + kind))


class _Element(NamedTuple):
    """Type and bytes of one element, and where the next begins."""

    kind: int
    data: memoryview
    next: int


def read_classic(path: Path) -> dict[str, Value]:
    """Read the variables of a file of version 4 to 7.

    Raises
    ------
    ReadError
        When the file is damaged, unpacks to far more than its size, or has two variables of one name.
    """
    content = memoryview(path.read_bytes())
    variables: dict[str, Value] = {}
    with foreign(path, NOUN):
        found = _variables5(path, content) if content[:7] == b"MATLAB " else _variables4(content)
        for name, value in found:
            if name in variables:
                raise ReadError(
                    f"{path}: two variables are called {name!r}; it is not clear which counts, save again"
                )
            # Without a name, or with two underscores, MATLAB keeps what it needs for itself.
            if name and not name.startswith("__"):
                variables[name] = value
    return variables


def _variables5(path: Path, content: memoryview) -> Iterator[tuple[str, Value]]:
    order = "<" if content[126:128] == b"IM" else ">"
    flow, place, size = _Flow(content, order), _HEADER, 0
    while place < len(content):
        element = _element(flow, place)
        place = element.next
        if element.kind == _COMPRESSED:
            packed = element.data
            data = _inflated(packed, MAX_RATIO * len(content) + MAX_EXTRA - size)
            size += len(data)
            refuse_larger(path, size, MAX_RATIO, MAX_EXTRA, "its variables")
            element = _element(_Flow(data, order), 0)
        if element.kind != _MATRIX:
            raise ValueError(f"an element of type {element.kind} stands where a variable begins")
        yield _matrix(_Flow(element.data, order), 0)


def _inflated(packed: memoryview, limit: int) -> memoryview:
    """Unpack at most one byte more than `limit`, which the caller then refuses."""
    stream = zlib.decompressobj()
    data = stream.decompress(packed, max(1, limit + 1))
    if not stream.eof and len(data) <= limit:
        raise ValueError("a packed variable is cut short")
    return memoryview(data)


def _element(flow: _Flow, place: int) -> _Element:
    first = flow.integer(place)
    if first >> 16:
        # Up to four bytes stand in the tag itself.
        return _checked(_Element(first & 0xFFFF, flow.data[place + 4 : place + 8], place + 8), first >> 16)
    size = flow.integer(place + 4)
    start, stop = place + 8, place + 8 + size
    padded = stop if first == _COMPRESSED else stop + -size % 8
    return _checked(_Element(first, flow.data[start:stop], padded), size)


def _checked(element: _Element, size: int) -> _Element:
    if len(element.data) < size:
        raise ValueError(f"an element of {size} bytes ends after {len(element.data)}")
    return element._replace(data=element.data[:size])


def _matrix(flow: _Flow, depth: int) -> tuple[str, Value]:
    """Name and value of a variable, cell or field."""
    if not len(flow.data):
        return "", np.empty((0, 0))
    element = _element(flow, 0)
    flags = flow.integer(8) if element.kind == _UINT32 and len(element.data) == 8 else 0
    kind = flags & 0xFF
    if kind == _OPAQUE:
        return _text(_element(flow, element.next)), Refused(OBJECT)
    dims = _element(flow, element.next)
    name = _element(flow, dims.next)
    # Writers other than MATLAB take the unsigned and the UTF-8 types too.
    if dims.kind not in (_INT32, _UINT32) or name.kind not in (_INT8, _UTF8):
        raise ValueError("a variable does not begin with its shape and name")
    shape = tuple(int(length) for length in flow.array("i4", dims.data))
    if not shape or min(shape) < 0:
        raise ValueError(f"a variable has the shape {shape}")
    return _text(name), _value(flow, name.next, kind, bool(flags & _IS_COMPLEX), shape, depth)


def _value(flow: _Flow, place: int, kind: int, is_complex: bool, shape: tuple[int, ...], depth: int) -> Value:
    if depth > 2 * MAX_DEPTH:
        return Refused(DEEP)
    if kind == _CELL:
        cells = _matrices(flow, place, math.prod(shape), depth)
        return Refused(_MANY) if cells is None else cells
    if kind == _STRUCT:
        return _struct(flow, place, shape, depth)
    if kind == _SPARSE:
        return Refused(SPARSE)
    if kind == _CHAR:
        return _characters(flow, _element(flow, place), shape)
    if kind not in _NUMBERS:
        return Refused(OBJECT)
    if is_complex:
        return Refused(COMPLEX)
    element = _element(flow, place)
    if element.kind not in _TYPES:
        raise ValueError(f"numbers of the unknown type {element.kind}")
    return flow.array(_TYPES[element.kind], element.data).reshape(shape, order="F")


_MANY = f"it has more than {MAX_CELLS} cells or fields; store columns as vectors"


def _matrices(flow: _Flow, place: int, count: int, depth: int) -> list[Value] | None:
    """As many cells or fields one after the other, in MATLAB's order; None when there are too many."""
    if count > MAX_CELLS:
        return None
    values = []
    for _ in range(count):
        element = _element(flow, place)
        if element.kind != _MATRIX:
            raise ValueError(f"an element of type {element.kind} stands where a cell or field begins")
        values.append(_matrix(_Flow(element.data, flow.order), depth + 1)[1])
        place = element.next
    return values


def _struct(flow: _Flow, place: int, shape: tuple[int, ...], depth: int) -> Value:
    length = _element(flow, place)
    names = _element(flow, length.next)
    width = int(flow.array("i4", length.data)[0])
    if not 0 < width <= 1 << 10 or len(names.data) % width:
        raise ValueError(f"a struct has names of fields of {width} bytes")
    fields = [_terminated(names.data[n : n + width]) for n in range(0, len(names.data), width)]
    if len(set(fields)) < len(fields):
        return Refused("two of its fields have one name; save it again with other names")
    values = _matrices(flow, names.next, math.prod(shape) * len(fields), depth)
    if values is None:
        return Refused(_MANY)
    if not fields:
        return {}
    elements = [
        dict(zip(fields, values[n : n + len(fields)], strict=True))
        for n in range(0, len(values), len(fields))
    ]
    return elements[0] if len(elements) == 1 else elements


def _characters(flow: _Flow, element: _Element, shape: tuple[int, ...]) -> Value:
    """Rows of a matrix of characters as strings."""
    if element.kind == _UTF8:
        text = bytes(element.data).decode(errors="replace")
        codes = np.array([ord(letter) for letter in text], dtype=np.uint32)
        # The shape counts UTF-16 units, of which a letter may have two.
        shape = (1, codes.size) if shape[0] == 1 else shape
    elif element.kind in _LETTERS:
        codes = flow.array(_LETTERS[element.kind], element.data)
    else:
        raise ValueError(f"characters of the unknown type {element.kind}")
    if len(shape) > 2:
        return Refused(
            "it is a block of characters of more than two axes; store it as a cell array of strings"
        )
    return strings(codes.reshape(shape, order="F"))


def _text(element: _Element) -> str:
    return _terminated(element.data)


def _terminated(data: memoryview) -> str:
    return bytes(data).partition(b"\x00")[0].decode("latin-1")


def _variables4(content: memoryview) -> Iterator[tuple[str, Value]]:
    """Variables of version 4: five integers, the name, the numbers."""
    place = 0
    while place < len(content):
        order = "<" if content[place] or content[place + 1] or not content[place + 3] else ">"
        if len(content) - place < 20:
            raise ValueError("the header of a variable is cut short")
        kind, rows, columns, imaginary, length = np.frombuffer(
            content[place : place + 20], order + "u4"
        ).tolist()
        machine, precision, form = kind // 1000, kind // 10 % 10, kind % 10
        if (
            machine != (order == ">")
            or kind // 100 % 10
            or precision >= len(_TYPES_4)
            or form > 2
            or imaginary > 1
        ):
            raise ValueError(f"a variable of the unknown type {kind}")
        name = _terminated(content[place + 20 : place + 20 + length])
        start = place + 20 + length
        dtype = np.dtype(order + _TYPES_4[precision])
        place = start + rows * columns * dtype.itemsize * (1 + imaginary)
        if place > len(content):
            raise ValueError(f"the variable {name!r} of shape ({rows}, {columns}) is cut short")
        numbers = np.frombuffer(content[start:place], dtype)
        if form == 2 or imaginary:
            yield name, Refused(SPARSE if form == 2 else COMPLEX)
        else:
            array = numbers.reshape((rows, columns), order="F")
            yield name, strings(array.astype(np.uint32)) if form == 1 else array
