"""`convert`: laboratory files to a netCDF file, in blocks where files are larger than one should hold in memory.

A long table is cut into blocks of about half a million rows. Each block is selected, arranged and validated exactly
like a small file, and appended along the last dim, so that memory does not grow with the length of the record. Of
several long files, each the record of one device, one is written after the other.

Cost: `tests/results/benchmark-reading.md` compares it with what CSV libraries need only to read the same file.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.arrange import to_dataset
from charz.atomic import replacing
from charz.description import Description
from charz.errors import ReadError, SchemaError
from charz.kinds import Kind
from charz.provenance import sha256
from charz.readers.bulk import NotPlain
from charz.readers.contract import Table
from charz.readers.joining import refuse_different, refuse_same_records
from charz.readers.mapping import LABELS, Request, given_quantities, map_columns
from charz.readers.programme import LOOKED_AT
from charz.readers.read import Progress, attributes, checked_request, padding_remark, read, refuse_programme
from charz.readers.select import Selection, Source, select
from charz.readers.sources import described, files_of, sources_of
from charz.schema import validate
from charz.store import holds_dataset, prepared_for_netcdf, save, write_attributes, write_netcdf

BLOCK_ROWS = 500_000


def convert(
    path: Path | str | Sequence[Path | str],
    output: Path | str,
    /,
    experiment: str | None = None,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    *,
    description: Description | Path | str | None = None,
    progress: Progress | None = None,
    **keys: Any,
) -> None:
    """Read laboratory files and write one dataset; a long record passes through memory in blocks.

    Parameters
    ----------
    path, experiment, columns, units, description, progress, **keys
        As for `charz.read`.
    output : path
        netCDF file; replaced only when the new one is complete.

    Raises
    ------
    ReadError, UnitError, ExpressionError, SchemaError
        As `charz.read`; the output is then left as it was.
    FileNotFoundError
        When a file or the folder of `output` does not exist.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    said = described(description, paths)
    said = said.updated({"experiment": experiment, "columns": columns, "units": units, **keys}, "convert")
    files = files_of(paths, said)
    output = Path(output)
    if output.exists() and any(file.exists() and output.samefile(file) for file in files):
        raise ReadError(
            f"{output}: is also an input; a measured file is never overwritten, choose another name"
        )
    if not holds_dataset(files[0]):
        request = checked_request(said)
        if sources := _long_sources(files, said, request):
            # A file that is less plain than its ends is read line by line, which names what is wrong.
            with contextlib.suppress(NotPlain):
                _stream(files, sources, request, output, progress)
                return
    save(read(files, description=said, progress=progress), output)


def _long_sources(files: Sequence[Path], said: Description, request: Request) -> list[Source]:
    """Tables of the files, where every file is one long table; of several files each the record of one device."""
    if len(files) > 1 and request.kind.dims[0] != "device":
        return []
    sources: list[Source] = []
    for source in sources_of(files, said, request.kind):
        if len(sources) == len(files) or not _is_long(source, request):
            return []
        sources.append(source)
    return sources


def _is_long(source: Source, request: Request) -> bool:
    """Whether a table is long, and plain enough for its blocks to be independent of one another."""
    table, kind, said = source.table, request.kind, request.said
    if table.batches is None:
        return False
    if kind.name in ("pulse_switching", "transfer") or said.where is not None or said.extract:
        return False
    mapped = map_columns(table, request, given_quantities(request, source.fields, table.place))
    names = {name.partition("[")[0] for name in (*mapped.columns, *said.derive)}
    return not names & {*LABELS}


def _stream(
    files: Sequence[Path],
    sources: Sequence[Source],
    request: Request,
    output: Path,
    progress: Progress | None,
) -> None:
    kind = request.kind
    with ThreadPoolExecutor(2) as pool, replacing(output) as temporary, ExitStack() as stack:
        counted = [pool.submit(source.table.count or partial(len, source.table.rows)) for source in sources]
        checksums = [pool.submit(sha256, file) for file in files]
        states: list[_State] = []

        def begun(dataset: xr.Dataset, part: Selection) -> _State:
            totals = [count.result() for count in counted]
            shape = (len(sources), max(totals))
            target = (
                states[0].target if states else stack.enter_context(_created(temporary, dataset, kind, shape))
            )
            return _State(target, len(states), dataset, part, totals[len(states)])

        for source in sources:
            before = sum(state.total for state in states)
            for state in _appended(source, request, begun):
                if progress is not None:
                    progress(before + state.start, sum(count.result() for count in counted), "rows")
            states.append(state)
        totals = [state.total for state in states]
        parts = [replace(state.part, num_read=state.total, masked=state.masked) for state in states]
        refuse_same_records(parts, kind)
        for part in parts[1:]:
            refuse_different(part.rows, parts[0].rows)
        found = {file: checksum.result() for file, checksum in zip(files, checksums, strict=True)}
        whole = _side_by_side([state.first for state in states], kind)
        whole.attrs = attributes(request, files, parts, sum(totals), found)
        if padding := padding_remark(len(totals) * max(totals), sum(totals), kind):
            whole.attrs["remarks"] = [*whole.attrs.get("remarks", []), padding]
        stack.close()
        _complete(temporary, prepared_for_netcdf(whole))


def _appended(
    source: Source, request: Request, begun: Callable[[xr.Dataset, Selection], "_State"]
) -> Iterator["_State"]:
    """Write one record block by block; gives how far it is after each."""
    state: _State | None = None
    for block in _blocks(source, request):
        if state is None and len(block.table.rows) <= LOOKED_AT:
            refuse_programme(source, request)
        part = select(block, request)
        dataset = validate_block(request.kind, part, 0 if state is None else state.start)
        state = begun(dataset, part) if state is None else state
        state.append(dataset, part, request.kind, block.table)
        yield state
    if state is None or state.start != state.total:
        raise NotPlain("fewer rows than lines")
    state.fill()


class _State:
    """How far a record is written: the open file, its row there, its first block, the block before, the rows so far."""

    def __init__(
        self, target: netCDF4.Dataset, row: int, first: xr.Dataset, part: Selection, total: int
    ) -> None:
        self.target, self.row, self.first, self.total = target, row, first, total
        # Of the first block only what the attributes need is kept.
        self.part = replace(part, rows=replace(part.rows, values={}, device=part.rows.device[:1]))
        self.before: xr.Dataset | None = None
        self.masked = dict.fromkeys(part.masked, 0)
        self.start = 0

    def append(self, dataset: xr.Dataset, part: Selection, kind: Kind, table: Table) -> None:
        """Write one more block."""
        stop = self.start + dataset.sizes[kind.dims[-1]]
        if stop > self.total:
            raise NotPlain("more rows than lines")
        _refuse_changed(self.first, dataset, kind, table)
        _refuse_disorder(self.before, dataset, kind, table)
        if set(_long_variables(dataset, kind)) != set(self.target.variables):
            raise NotPlain("other columns than in the file before")
        for name in _long_variables(dataset, kind):
            self.target.variables[name][self.row : self.row + 1, ..., self.start : stop] = dataset[
                name
            ].values
        self.masked = {name: count + part.masked[name] for name, count in self.masked.items()}
        self.before, self.start = dataset, stop

    def fill(self) -> None:
        """Fill the row up to the length of the longest record."""
        for variable in self.target.variables.values():
            if variable.shape[-1] == self.total:
                continue
            if variable.dtype.kind != "f":
                raise NotPlain("whole numbers cannot be missing")
            variable[self.row : self.row + 1, ..., self.total :] = np.nan


def validate_block(kind: Kind, part: Selection, start: int) -> xr.Dataset:
    """Arrange and validate one block like a file of its own, of which `start` rows came before."""
    dataset = to_dataset(kind, part.rows, part.outcome)
    dataset.attrs["experiment"] = kind.name
    try:
        return validate(dataset)
    except SchemaError:
        # Once more, so that the message names the place in the whole record.
        long = kind.dims[-1]
        validate(dataset.assign_coords({long: np.arange(start, start + dataset.sizes[long])}))
        raise


def _blocks(source: Source, request: Request) -> Iterator[Source]:
    """Cut the table into tables of about `BLOCK_ROWS` rows, which hold only the columns that are read."""
    table = source.table
    if table.batches is None:
        return
    given = given_quantities(request, source.fields, table.place)
    used = sorted(set(map_columns(table, request, given).columns.values()))
    held: list[Sequence[NDArray[np.float64]]] = []
    start, rows = _first_line(table), 0
    for batch in table.batches(used):
        held.append(batch)
        rows += len(batch[0])
        if rows >= BLOCK_ROWS:
            yield replace(source, table=_block(table, used, held, start))
            start, rows, held = start + rows, 0, []
    if rows:
        yield replace(source, table=_block(table, used, held, start))


def _first_line(table: Table) -> int:
    """Line of the first row, without reading the file for it."""
    place = str(table.dialect.get("first_row", "row 1"))
    return int(place.rpartition(" ")[2])


def _block(table: Table, used: list[int], held: list[Sequence[NDArray[np.float64]]], start: int) -> Table:
    columns = held[0] if len(held) == 1 else [np.concatenate(parts) for parts in zip(*held, strict=True)]
    values = dict(zip(used, columns, strict=True))

    # Columns as they are: the callers look at one after the other, and a copy of both would cost as much as reading.
    def numbers(indices: Sequence[int]) -> Any:
        return [values[index] for index in indices]

    return replace(table, rows=range(start, start + len(columns[0])), numbers=numbers, batches=None)


def _created(path: Path, dataset: xr.Dataset, kind: Kind, shape: tuple[int, int]) -> netCDF4.Dataset:
    """Create the long variables of the first block for so many records, and rows of each.

    They are not compressed: noise does not compress.
    """
    target = netCDF4.Dataset(path, "w")
    # Every value is written, so none needs to be filled before.
    target.set_fill_off()
    for dim in kind.dims:
        sizes = {kind.dims[0]: shape[0], kind.dims[-1]: shape[1]}
        target.createDimension(dim, sizes.get(dim, dataset.sizes[dim]))
    for name in _long_variables(dataset, kind):
        array = dataset[name]
        fill = np.nan if array.dtype.kind == "f" else None
        dims = tuple(map(str, array.dims))
        variable = target.createVariable(name, array.dtype, dims, fill_value=fill, contiguous=True)
        variable.setncatts(array.attrs)
    return target


def _side_by_side(firsts: Sequence[xr.Dataset], kind: Kind) -> xr.Dataset:
    """What is told of each record beside its long variables, of all."""
    short = [first.drop_vars(_long_variables(first, kind)) for first in firsts]
    if len(short) == 1:
        return short[0]
    return xr.concat(
        short,
        kind.dims[0],
        data_vars="minimal",
        coords="minimal",
        compat="equals",
        join="exact",
        combine_attrs="override",
    )


def _complete(path: Path, dataset: xr.Dataset) -> None:
    """Add the variables that are not long, in the form of `save`, and the attributes."""
    attrs, dataset.attrs = dataset.attrs, {}
    write_netcdf(dataset, path, mode="a")
    with netCDF4.Dataset(path, "a") as target:
        write_attributes(target, attrs)


def _long_variables(dataset: xr.Dataset, kind: Kind) -> list[str]:
    """Names of the variables along the last dim of the kind."""
    return [str(name) for name, array in dataset.data_vars.items() if kind.dims[-1] in array.dims]


def _refuse_changed(first: xr.Dataset, dataset: xr.Dataset, kind: Kind, table: Table) -> None:
    """Raise where a value that belongs to the device is another in a later block.

    Raises
    ------
    SchemaError
        As `charz.traces` within one block.
    """
    for name in set(map(str, dataset.data_vars)) - set(_long_variables(dataset, kind)):
        before, now, dims = first[name].values, dataset[name].values, map(str, first[name].dims)
        if not np.array_equal(before, now, equal_nan=True):
            raise SchemaError(
                f"{table.place}, {table.noun} {table.rows[0]} and after: {name} = {now.flat[0]:g} differs from "
                f"{before.flat[0]:g} before; it must be one value for the same {' and '.join(dims)}"
            )


def _refuse_disorder(before: xr.Dataset | None, dataset: xr.Dataset, kind: Kind, table: Table) -> None:
    """Raise where time runs backward from one block to the next; `validate` sees each block alone."""
    for variable in kind.variables:
        if before is None or variable.increasing is None or variable.name not in dataset:
            continue
        earlier = float(before[variable.name].values[..., -1].item())
        later = float(dataset[variable.name].values[..., 0].item())
        if later < earlier:
            raise SchemaError(
                f"{table.place}, {table.noun} {table.rows[0]}: {variable.name} = {later:g} after {earlier:g}; it must "
                "be not before the one ahead of it: time runs forward"
            )
