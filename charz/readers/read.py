"""`read`: laboratory files to one validated dataset in SI."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from charz.arrange import to_dataset
from charz.description import Description
from charz.errors import ReadError, SchemaError
from charz.kinds import Kind, kind_named
from charz.provenance import provenance, sha256, source_names
from charz.readers.joining import join, refuse_same_records
from charz.readers.mapping import OUTCOME, Request, request_from
from charz.readers.paths import filled, standard_fields
from charz.readers.programme import programme_reason
from charz.readers.select import Selection, Source, select
from charz.readers.sources import described, files_of, joined_files, sources_of
from charz.readers.text import read_text, split_lines
from charz.schema import validate
from charz.store import holds_dataset, load

MAX_METADATA = 1000
# Called with what is done, how much there is (None where that is not known), and a word on it.
Progress = Callable[[int, int | None, str], None]


def read(
    path: Path | str | Sequence[Path | str],
    /,
    experiment: str | None = None,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    *,
    description: Description | Path | str | None = None,
    progress: Progress | None = None,
    **keys: Any,
) -> xr.Dataset:
    """Read laboratory files into one validated dataset.

    Parameters
    ----------
    path : path or sequence of paths
        Files and folders. Each file is one device, named after the file, unless a column, or ``device`` with
        fields of the path, says which. A dataset that charz wrote is loaded as it is.
    experiment : str, optional
        Experiment kind, for example ``"pulse_switching"``; all are in `charz.kinds.KINDS`. Needed unless the
        description says it.
    columns : mapping of NAME to SOURCE, optional
        SOURCE is the text of a header cell, or ``"@4"`` for the fourth column; for electrodes several,
        ``"@1..@7"`` or ``"Input *"``. A header cell that is spelled like a variable of the kind needs no entry. A
        NAME that is no variable of the kind is kept beside them (in ``pulse_switching`` as its mean over the rows
        of each setting).
    units : mapping of NAME to unit, optional
        Unit in which the file states NAME (``"mV"``, ``"ns"``, ``"Oe"``, ``"1"``); wins over a unit in the
        header. ``"arb"`` says that the unit is not known. Nothing is guessed.
    description : Description or path, optional
        What the files do not say about themselves, as a TOML file; ``charz.toml`` beside the data is found by
        itself. The other arguments win over it.
    progress : callable, optional
        Called with the number of files done, their total, and the name of the next; for one long record with rows.
    **keys
        Any other key of the description (`charz.description.KEYS`): ``where``, ``switched``, ``mask``, ``derive``,
        ``constants``, ``path``, ``device``, ``cycle``, ``table``, ``schema``, ``wide``, ``join``, ``expect``,
        ``extract``, ``reader``, ``device_family``, ``temperature``, ``instrument``, ...

    Returns
    -------
    xarray.Dataset
        In SI; attributes hold the rules, the names and SHA-256 of the sources, and the version of charz.

    Raises
    ------
    ReadError, UnitError, ExpressionError, SchemaError
        In one line: file, row, column, value, and what would be valid.

    Examples
    --------
    >>> dataset = read(  # doctest: +SKIP
    ...     "wires.csv", "pulse_switching", units={"amplitude": "mV"}, where="amplitude > 100"
    ... )
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(one) for one in path]
    said = described(description, paths)
    said = said.updated({"experiment": experiment, "columns": columns, "units": units, **keys}, "read")
    files = files_of(paths, said)
    if len(files) == 1 and said.reader is None and holds_dataset(files[0]):
        return _extracted(_as_it_is(files[0], said), said)
    request, parts = selections(files, said, progress)
    refuse_same_records(parts, request.kind)
    rows, outcome = join(parts)
    dataset = to_dataset(request.kind, rows, outcome)
    kept = sum(part.rows.num_rows for part in parts)
    checksums = {file: sha256(file) for file in (*files, *joined_files(files, said))}
    dataset.attrs = attributes(request, files, parts, kept, checksums)
    cells = math.prod(dataset.sizes[dim] for dim in request.kind.dims)
    counted = request.kind.name == "pulse_switching"
    filled = int((dataset["num_trials"] > 0).sum()) if counted else kept
    if padding := padding_remark(cells, filled, request.kind):
        dataset.attrs["remarks"] = [*dataset.attrs.get("remarks", []), padding]
    return _extracted(validate(dataset), said)


def padding_remark(cells: int, filled: int, kind: Kind) -> str | None:
    """Say how much of a ragged dataset is padding; None where every cell was read."""
    if kind.dims[0] != "device" or filled >= cells:
        return None
    return (
        f"records of different lengths are padded to one table: {cells - filled} of {cells} cells "
        f"({', '.join(kind.dims)}) hold no reading"
    )


def selections(
    files: Sequence[Path], said: Description, progress: Progress | None
) -> tuple[Request, list[Selection]]:
    """Rows of every table of every file.

    Raises
    ------
    ReadError, UnitError, ExpressionError, SchemaError
        As `read`.
    """
    request = checked_request(said)
    done, parts = 0, []
    for source in sources_of(files, said, request.kind):
        if progress is not None:
            done = files.index(source.table.path, done)
            progress(done, len(files), source.table.path.name)
        refuse_programme(source, request)
        parts.append(select(source, request))
    if progress is not None:
        progress(len(files), len(files), "")
    return request, parts


def checked_request(said: Description) -> Request:
    """Request of a description whose kind and temperature are valid.

    Raises
    ------
    ReadError, SchemaError, ExpressionError
        When the kind is not said or not known, the temperature is impossible, or an expression is wrong.
    """
    if said.experiment is None:
        raise ReadError(
            'the experiment kind is not said: give --experiment KIND, or experiment = "KIND" in a description; '
            "'charz describe FILE' writes a draft of one"
        )
    if said.temperature is not None and not 0 < said.temperature < math.inf:
        raise SchemaError(f"temperature = {said.temperature} K; it must be above zero and finite, in kelvin")
    return request_from(kind_named(said.experiment), said)


def refuse_programme(source: Source, request: Request) -> None:
    """Raise for a file that holds what was applied instead of what was measured.

    Raises
    ------
    ReadError
        With the reason, and how to read it all the same.
    """
    if request.said.few_values:
        return
    if reason := programme_reason(source.table, request.kind):
        raise ReadError(
            f"{source.table.place}: {reason}; if these are readings all the same, add --few-values"
        )


def attributes(
    request: Request,
    files: Sequence[Path],
    parts: Sequence[Selection],
    kept: int,
    checksums: Mapping[Path, str],
) -> dict[str, Any]:
    """Attributes of the dataset: rules, sources, what was masked and left out, versions."""
    said = request.said
    labels = parts[0].rows.labels
    masked = {
        name: {"rule": rule, "count": sum(part.masked.get(name, 0) for part in parts)}
        for name, rule in said.mask.items()
    }
    switched = said.switched if said.switched is not None else (OUTCOME if OUTCOME in labels else None)
    attrs = {
        "experiment": request.kind.name,
        "device_family": said.device_family,
        "temperature": said.temperature,
        "instrument": said.instrument,
        "source_file": _one_or_list(source_names(list(checksums))),
        "source_sha256": _one_or_list(list(checksums.values())),
        "where_rule": said.where,
        "switched_rule": switched if request.kind.name == "pulse_switching" else None,
        "masked": json.dumps(masked, ensure_ascii=False) if masked else None,
        "derived": json.dumps(dict(said.derive), ensure_ascii=False) if said.derive else None,
        "num_rows_read": sum(part.num_read for part in parts),
        "num_rows_kept": kept,
        "unused_columns": sorted({name for part in parts for name in part.unused}),
        "remarks": _grouped_remarks(parts)[:MAX_METADATA],
        **_from_files(parts, files, said),
        **provenance(checksums, settings=said.settings()),
    }
    # netCDF has neither None nor empty lists.
    return {name: value for name, value in attrs.items() if value is not None and value != []}


def _grouped_remarks(parts: Sequence[Selection]) -> list[str]:
    """Remarks of the readers, each once, with the tables that it is about."""
    places: dict[str, list[str]] = {}
    for part in parts:
        for remark in part.remarks:
            places.setdefault(remark, []).append(part.called)
    return [
        f"{where[0]}: {remark}"
        if len(where) == 1
        else f"{remark} (in {len(where)} tables, {where[0]} to {where[-1]})"
        for remark, where in places.items()
    ]


def _from_files(parts: Sequence[Selection], files: Sequence[Path], said: Description) -> dict[str, Any]:
    """Metadata lines of the files and of the notes beside them."""
    lines: list[str] = []
    for attrs in {id(part.attrs): part.attrs for part in parts}.values():
        lines.extend(map(str, attrs.get("metadata", [])))
        lines.extend(f"{name}: {value}" for name, value in attrs.items() if name != "metadata")
    notes = [note for file in files for note in _notes(file, said)]
    found: dict[str, Any] = {"source_metadata": _clean(dict.fromkeys(lines))}
    for note in dict.fromkeys(notes):
        text, _ = read_text(note)
        found.setdefault("notes", []).extend(
            _clean([f"{note.name}: {line.strip()}" for line in split_lines(text) if line.strip()])
        )
    return found


def _notes(file: Path, said: Description) -> list[Path]:
    found = []
    for pattern in said.notes:
        name = filled(pattern, standard_fields(file), "notes", str(file))
        beside = [file.parent / name] if (file.parent / name).is_file() else sorted(file.parent.glob(name))
        if not beside:
            raise ReadError(f"{file}: there is no note {name!r} beside it; correct 'notes', or leave it out")
        found.extend(beside)
    return found


def _clean(lines: Any) -> list[str]:
    """Lines that netCDF can hold, at most `MAX_METADATA`."""
    kept = [str(line).replace("\0", " ").encode("utf-8", "replace").decode() for line in lines]
    return [line for line in kept if line.strip()][:MAX_METADATA]


def _as_it_is(path: Path, said: Description) -> xr.Dataset:
    """Load a dataset of charz; rules for laboratory files cannot be applied to it a second time.

    Raises
    ------
    ReadError
        When more than the kind was said, or another kind than the file has.
    """
    more = sorted({*said.settings()} - {"experiment", "extract"})
    if more:
        raise ReadError(
            f"{path}: is a dataset of charz already, in SI; {', '.join(more)} cannot be applied to it, leave it out"
        )
    dataset = load(path)
    if said.experiment not in (None, dataset.attrs["experiment"]):
        raise ReadError(f"{path}: holds {dataset.attrs['experiment']}, not {said.experiment}")
    return dataset


def _extracted(dataset: xr.Dataset, said: Description) -> xr.Dataset:
    if not said.extract:
        return dataset
    from charz.extract import extract

    for step in said.extract:
        options = {name: value for name, value in step.items() if name != "rule"}
        dataset = extract(dataset, step["rule"], **options)
    return dataset


def _one_or_list(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
