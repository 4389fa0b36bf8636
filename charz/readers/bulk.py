"""Large plain tables of numbers, parsed by Arrow's CSV parser.

Only what is beyond doubt goes this way: UTF-8 text of more than `BULK_BYTES`, one delimiter, no quotes, no
comments between the rows, nothing after them. Everything else, and every file in which a cell is no number, is
left to the line-by-line reader, which names the cell.

Cost: about 0.3 s for 10 million rows of two columns on two cores; memory 8 bytes a cell where all rows are asked for
at once, a few blocks where they pass one after the other (`Table.batches`).
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.contract import Table
from charz.readers.dialect import NAMES, split_cells
from charz.readers.layout import Layout, find_layout
from charz.readers.numbers import is_number

BULK_BYTES = 4 << 20
# Blocks that are parsed while the one before is used.
THREADS = min(8, max(2, os.cpu_count() or 2))
_EDGE_BYTES = 1 << 16
_BLOCK_BYTES = 16 << 20
_READ_BYTES = 1 << 20
_BLANK = b" \t\r\n"
_NEWLINE = 10


Columns = list[NDArray[np.float64]]


class NotPlain(Exception):
    """A block of the file is not the plain table of numbers that its first and last lines promised."""


def open_bulk(path: Path, slowly: Callable[[Path], Table]) -> Table | None:
    """Open a large table of numbers; None where the file is small or not plainly such a table.

    Parameters
    ----------
    path : Path
    slowly : callable
        Line-by-line reader, for a file that turns out to be less plain than its ends.
    """
    size = path.stat().st_size
    if size < BULK_BYTES:
        return None
    with path.open("rb") as stream:
        head = stream.read(_EDGE_BYTES)
        stream.seek(size - _EDGE_BYTES)
        tail = stream.read()
    head = head[: head.rfind(b"\n") + 1]
    layout = _plain_layout(path, head)
    if layout is None or not _ends_in_rows(tail[tail.find(b"\n") + 1 :], layout):
        return None
    lines = [line.removesuffix(b"\r").decode() for line in head.split(b"\n")[:-1]]
    content = _Content(path, layout, lines[layout.rows[0]], slowly)
    rows = lines[layout.rows[0] :]

    def texts(index: int, stop: int | None = None) -> list[str]:
        if stop is not None and stop <= len(rows):
            return [split_cells(line, layout.delimiter)[index] for line in rows[:stop]]
        return content.texts(index, stop)

    dialect = {
        "encoding": "utf-8",
        "delimiter": NAMES[layout.delimiter],
        "decimal": "comma" if layout.comma else "point",
        "header": None if layout.header is None else f"line {layout.header + 1}",
        "first_row": f"line {layout.rows[0] + 1}",
    }
    return Table(
        path,
        layout.columns,
        _Rows(content),
        content.numbers,
        texts,
        _Attrs(content),
        dialect,
        batches=content.batches,
        count=content.count,
    )


class _Content:
    """The rows of the file: parsed at once when all are asked for, or block by block."""

    def __init__(self, path: Path, layout: Layout, line: str, slowly: Callable[[Path], Table]) -> None:
        self.path, self.layout, self.slowly = path, layout, slowly
        cells = split_cells(line, layout.delimiter)
        self.numeric = [not cell or is_number(cell, comma=layout.comma) for cell in cells]

    @cached_property
    def whole(self) -> "list[list[Any]] | Table":
        """Blocks of Arrow columns, or the table of the line-by-line reader where the file is not plain."""
        try:
            return list(self._parsed(range(len(self.numeric))))
        except NotPlain:
            return self.slowly(self.path)

    @cached_property
    def rows(self) -> Sequence[int] | NDArray[np.int64]:
        if isinstance(self.whole, Table):
            return self.whole.rows
        first = self.layout.rows[0] + 1
        return range(first, first + sum(len(block[0]) for block in self.whole))

    def numbers(self, indices: Sequence[int]) -> NDArray[np.float64]:
        if isinstance(self.whole, Table):
            return self.whole.numbers(indices)
        for index in indices:
            self._require_numbers(index)
        result = np.empty((len(indices), len(self.rows)))
        position = 0
        for block in self.whole:
            stop = position + len(block[0])
            for row, index in enumerate(indices):
                result[row, position:stop] = _floats(block[index])
            position = stop
        return result

    def texts(self, index: int, stop: int | None) -> list[str]:
        if isinstance(self.whole, Table):
            return self.whole.texts(index, stop)
        cells: list[Any] = []
        # Numbers as they are written: a device is called 007.
        columns = self._parsed([index], as_text=True) if self.numeric[index] else iter(self.whole)
        for block in columns:
            column = block[0] if self.numeric[index] else block[index]
            cells += column.slice(0, None if stop is None else stop - len(cells)).to_pylist()
            if stop is not None and len(cells) >= stop:
                break
        return ["" if cell is None else str(cell).strip() for cell in cells]

    def batches(self, indices: Sequence[int]) -> Iterator[Columns]:
        """Blocks of rows in order, the next ones parsed while one is used; raises `NotPlain`."""
        for index in indices:
            self._require_numbers(index)
        for block in self._parsed(indices):
            yield [_floats(column) for column in block]

    def count(self) -> int:
        """Number of lines from the first row on; that of the rows where every line is one."""
        total, last = 0, _NEWLINE
        with self.path.open("rb") as stream:
            for _ in range(self.layout.rows[0]):
                stream.readline()
            while block := stream.read(_READ_BYTES):
                values = np.frombuffer(block, np.uint8)
                total += int(np.count_nonzero(values == _NEWLINE))
                last = int(values[-1])
        return total + (last != _NEWLINE)

    def _parsed(self, indices: Sequence[int], *, as_text: bool = False) -> Iterator[list[Any]]:
        waiting: deque[Future[list[Any]]] = deque()
        with self.path.open("rb") as stream, ThreadPoolExecutor(THREADS) as pool:
            for start, stop in _spans(stream, self.layout.rows[0]):
                waiting.append(pool.submit(self._block, stream.fileno(), start, stop, indices, as_text))
                if len(waiting) > THREADS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _block(self, file: int, start: int, stop: int, indices: Sequence[int], as_text: bool) -> list[Any]:
        import pyarrow as pa

        block = os.pread(file, stop - start, start)
        # Arrow takes "nan(ind)" for a number, keeps quotes around text, and knows no comments.
        odd = (b"(",) if all(self.numeric) else (b"(", b'"', b"#", b"%", b"/", b"\x00")
        if any(mark in block for mark in odd):
            raise NotPlain("a block that is more than numbers and plain words")
        if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
            raise NotPlain("a block with line ends of another kind")
        if stop == os.fstat(file).st_size:
            block = block.rstrip(_BLANK) + b"\n"
        columns = self._parse(pa.BufferReader(block), indices, len(block) + 1, as_text)
        # Arrow makes a row of empty cells of an empty line, which is none.
        if columns and all(column.null_count for column in columns):
            missing = np.all([column.is_null().to_numpy() for column in columns], axis=0)
            if missing.any():
                raise NotPlain("a block with an empty line")
        return [column.chunk(0) for column in columns]

    def _parse(self, source: Any, indices: Sequence[int], block: int, as_text: bool) -> list[Any]:
        import pyarrow as pa
        from pyarrow import csv

        names = [str(index) for index in range(len(self.numeric))]
        types = {
            name: pa.float64() if numeric and not as_text else pa.string()
            for name, numeric in zip(names, self.numeric, strict=True)
        }
        try:
            table = csv.read_csv(
                source,
                read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=block),
                parse_options=csv.ParseOptions(
                    delimiter=self.layout.delimiter or "\x1f",
                    quote_char=False,
                    double_quote=False,
                    newlines_in_values=False,
                    ignore_empty_lines=False,
                ),
                convert_options=csv.ConvertOptions(
                    column_types=types,
                    include_columns=[names[index] for index in indices],
                    null_values=[""],
                    strings_can_be_null=False,
                    decimal_point="," if self.layout.comma else ".",
                    check_utf8=not all(self.numeric),
                ),
            )
        except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError) as error:
            raise NotPlain(str(error)) from error
        return list(table.columns)

    def _require_numbers(self, index: int) -> None:
        """Raise where the first row already has text in a column of which numbers are asked for."""
        if not self.numeric[index]:
            name = self.layout.columns[index].joined
            raise ReadError(
                f"{self.path}, column @{index + 1}{f' ({name})' if name else ''}, line {self.layout.rows[0] + 1}: "
                f"{self.texts(index, 1)[0][:40]!r} is not a number (decimal "
                f"{'comma' if self.layout.comma else 'point'}); correct the cell, or map another column"
            )


def _floats(column: Any) -> NDArray[np.float64]:
    """Values of an Arrow column, without a copy where nothing is missing."""
    values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
    return values


class _Attrs(Mapping[str, Any]):
    """What stands outside the table; comments between its rows are known once it was read line by line."""

    def __init__(self, content: _Content) -> None:
        self.content = content

    def _found(self) -> Mapping[str, Any]:
        if isinstance(slow := vars(self.content).get("whole"), Table):
            return slow.attrs
        lines = self.content.layout.metadata
        return {"metadata": lines} if lines else {}

    def __getitem__(self, name: str) -> Any:
        return self._found()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())


class _Rows(Sequence[int]):
    """Line numbers of the rows; they are counted when somebody asks."""

    def __init__(self, content: _Content) -> None:
        self.content = content

    def __len__(self) -> int:
        return len(self.content.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.content.rows[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.int64]:
        return np.asarray(self.content.rows, dtype=dtype)


def _spans(stream: BinaryIO, skip: int) -> Iterator[tuple[int, int]]:
    """Bounds of pieces of about `_BLOCK_BYTES` after the first `skip` lines, each ending with a line."""
    for _ in range(skip):
        stream.readline()
    start, size = stream.tell(), os.fstat(stream.fileno()).st_size
    while start < size:
        stream.seek(min(start + _BLOCK_BYTES, size))
        stream.readline()
        stop = stream.tell()
        yield start, stop
        start = stop


def _plain_layout(path: Path, head: bytes) -> Layout | None:
    """Layout of the first lines; None where they are not plain."""
    marks = (b'"', b"\x00", b"\xef\xbb\xbf")
    if any(mark in head for mark in marks) or head.count(b"\r") not in (0, head.count(b"\r\n")):
        return None
    try:
        lines = head.decode().split("\n")[:-1]
        layout = find_layout([line.removesuffix("\r") for line in lines], str(path))
    except (UnicodeDecodeError, ReadError):
        return None
    rows = layout.rows
    uniform = bool(rows) and rows == list(range(rows[0], len(lines)))
    return layout if uniform and layout.delimiter is not None else None


def _ends_in_rows(tail: bytes, layout: Layout) -> bool:
    """Whether nothing but rows of the table stands at the end of the file."""
    try:
        lines = tail.rstrip(_BLANK).decode().split("\n")
    except UnicodeDecodeError:
        return False
    rows = [split_cells(line.removesuffix("\r"), layout.delimiter) for line in lines]
    if any(len(row) != len(layout.columns) for row in rows):
        return False
    numeric = [is_number(cell, comma=layout.comma) for cell in rows[0]]
    return any(numeric) and all(
        not cell or is_number(cell, comma=layout.comma)
        for row in rows
        for cell, expected in zip(row, numeric, strict=True)
        if expected
    )
