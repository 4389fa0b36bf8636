"""`convert`: laboratory files to a netCDF file, in blocks where a file is larger than one should hold in memory.

A long table is cut into blocks of about half a million rows. Each block is selected, arranged and validated exactly
like a small file, and appended along the last dim, so that memory does not grow with the length of the record.

Cost: `tests/results/benchmark-reading.md` compares it with what CSV libraries need only to read the same file.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
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
from charz.readers.mapping import LABELS, Request, given_quantities, map_columns
from charz.readers.programme import LOOKED_AT
from charz.readers.read import Progress, attributes, checked_request, read, refuse_programme
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
    if len(files) == 1 and not holds_dataset(files[0]):
        request = checked_request(said)
        sources = list(sources_of(files, said, request.kind))
        if len(sources) == 1 and _is_long(sources[0], request):
            # A file that is less plain than its ends is read line by line, which names what is wrong.
            with contextlib.suppress(NotPlain):
                _stream(files[0], sources[0], request, output, progress)
                return
    save(read(files, description=said, progress=progress), output)


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
    file: Path,
    source: Source,
    request: Request,
    output: Path,
    progress: Progress | None,
) -> None:
    table, kind = source.table, request.kind
    with ThreadPoolExecutor(2) as pool, replacing(output) as temporary, ExitStack() as stack:
        counted: Future[int] = pool.submit(table.count or (lambda: len(table.rows)))
        checksum: Future[str] = pool.submit(sha256, file)
        state: _State | None = None
        for block in _blocks(source, request):
            if state is None and len(block.table.rows) <= LOOKED_AT:
                refuse_programme(source, request)
            start = 0 if state is None else state.start
            part = select(block, request)
            dataset = validate_block(kind, part, start)
            if state is None:
                total = counted.result()
                target = stack.enter_context(_created(temporary, dataset, kind, total))
                state = _State(target, dataset, part, total)
            state.append(dataset, part, kind, block.table)
            if progress is not None:
                progress(state.start, state.total, "rows")
        if state is None or state.start != state.total:
            raise NotPlain("fewer rows than lines")
        whole = replace(state.part, num_read=state.start, masked=state.masked)
        first = state.first.drop_vars(_long_variables(state.first, kind))
        first.attrs = attributes(request, [file], [whole], state.start, {file: checksum.result()})
        write_attributes(state.target, prepared_for_netcdf(first).attrs)


class _State:
    """How far a record is written: the open file, its first block, the block before, and the rows so far."""

    def __init__(self, target: netCDF4.Dataset, first: xr.Dataset, part: Selection, total: int) -> None:
        self.target, self.first, self.total = target, first, total
        # Of the first block only what the attributes need is kept.
        self.part = replace(part, rows=replace(part.rows, values={}, device=part.rows.device[:0]))
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
        for name in _long_variables(dataset, kind):
            self.target.variables[name][..., self.start : stop] = dataset[name].values
        self.masked = {name: count + part.masked[name] for name, count in self.masked.items()}
        self.before, self.start = dataset, stop


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


def _created(path: Path, dataset: xr.Dataset, kind: Kind, total: int) -> netCDF4.Dataset:
    """Write all but the long variables of the first block, in the form of `save`, and create those for `total` rows.

    They are not compressed: noise does not compress.
    """
    long = _long_variables(dataset, kind)
    skeleton = dataset.drop_vars(long)
    skeleton.attrs = {}
    write_netcdf(prepared_for_netcdf(skeleton), path)
    target = netCDF4.Dataset(path, "a")
    # Every value is written, so none needs to be filled before.
    target.set_fill_off()
    for dim in kind.dims:
        if dim not in target.dimensions:
            target.createDimension(dim, total if dim == kind.dims[-1] else dataset.sizes[dim])
    for name in long:
        array = dataset[name]
        fill = np.nan if array.dtype.kind == "f" else None
        dims = tuple(map(str, array.dims))
        variable = target.createVariable(name, array.dtype, dims, fill_value=fill, contiguous=True)
        variable.setncatts(array.attrs)
    return target


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
