"""LabVIEW TDMS: a group is a table, a channel a column; waveform channels get a column of time."""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charz.errors import ReadError
from charz.readers.arrays import TEXT, Stored, tables_of_arrays
from charz.readers.containers import library, printable
from charz.readers.contract import Reader, Table
from charz.readers.guard import foreign

NOUN = "a TDMS file"
UNIT = "unit_string"
TIME = "time"
_INCREMENT, _OFFSET = "wf_increment", "wf_start_offset"
_FRACTIONS = 2.0**-64


def open_tdms(path: Path) -> list[Table]:
    """Read a TDMS file; values stay in it until a column is asked for. An index file beside it is ignored.

    Units are the channels' ``unit_string``. Channels with equal ``wf_increment`` and ``wf_start_offset`` get a
    first column ``time`` (s). Time stamps are seconds since the first. All properties are metadata.

    Raises
    ------
    ReadError
        When nptdms is missing, the file is damaged, or it holds no data.
    """
    tables: list[Table] = []
    reasons: list[str] = []
    library(path, "nptdms", "tdms", NOUN)
    with foreign(path, NOUN), _opened(path) as file:
        metadata = [f"{printable(name)}: {printable(value)}" for name, value in file.properties.items()]
        remarks = _incomplete(file)
        for group in file.groups():
            try:
                tables += _group_tables(path, group, metadata, remarks)
            except ReadError as error:
                reasons.append(str(error))
    if not tables:
        raise ReadError(
            reasons[0] if reasons else f"{path}: a TDMS file without channels; there is nothing to read"
        )
    return tables


def _group_tables(path: Path, group: Any, above: Sequence[str], remarks: Sequence[str]) -> list[Table]:
    """Tables of one group, by the length of its channels."""
    channels = [channel for channel in group.channels() if len(channel)]
    metadata = [*above, *_lines(group.name, group.properties)]
    for channel in group.channels():
        metadata += _lines(f"{group.name}/{channel.name}", channel.properties)
    remarks = [
        *remarks,
        *(f"channel {c.name!r} is left out: it is empty" for c in group.channels() if not len(c)),
    ]
    lengths = list(dict.fromkeys(len(channel) for channel in channels))
    if not lengths:
        raise ReadError(f"{path}, {group.name}: its channels are empty; there is nothing to read")
    step, why = _step(channels)
    tables = []
    for length in lengths:
        same = [channel for channel in channels if len(channel) == length]
        arrays = {channel.name: _stored(path, channel) for channel in same}
        units = {
            c.name: printable(c.properties[UNIT]) for c in same if str(c.properties.get(UNIT, "")).strip()
        }
        said = [
            *remarks,
            *why,
            *(f"{c.name!r} holds dates: read as seconds since the first" for c in same if _dated(c)),
        ]
        units |= {channel.name: "s" for channel in same if _dated(channel)}
        if step is not None and TIME not in arrays:
            arrays = {TIME: _clock(length, *step), **arrays}
            units[TIME] = "s"
        name = group.name if len(lengths) == 1 else f"{group.name}/{length} rows"
        tables += tables_of_arrays(
            path, arrays, units, {"metadata": metadata}, name, remarks=said, dialect={"format": "TDMS"}
        )
    return tables


def _step(channels: Sequence[Any]) -> tuple[tuple[float, float] | None, list[str]]:
    """Increment and offset in which all channels agree; a remark where they do not."""
    stated = [channel for channel in channels if _INCREMENT in channel.properties]
    if not stated:
        return None, []
    steps = {
        (float(channel.properties.get(_INCREMENT, math.nan)), float(channel.properties.get(_OFFSET, 0.0)))
        for channel in channels
    }
    increment, offset = next(iter(steps))
    if len(steps) > 1 or not (0 < increment < math.inf and math.isfinite(offset)):
        return None, [
            f"no column {TIME!r}: the channels do not agree in a {_INCREMENT} above zero and {_OFFSET}"
        ]
    return (increment, offset), []


def _clock(length: int, increment: float, offset: float) -> Stored:
    return Stored(
        (length,), np.dtype(np.float64), lambda start, stop: offset + increment * np.arange(start, stop)
    )


def _stored(path: Path, channel: Any) -> Stored:
    """Values of a channel, as scaled by the file."""
    group, name, length = channel.group_name, channel.name, len(channel)
    if length > path.stat().st_size:
        raise ReadError(
            f"{path}, channel {name!r}: it states {length} values, more than the file has bytes; the file is cut "
            "short or damaged, copy it again"
        )
    dated = _dated(channel)
    dtype = np.dtype(np.float64) if dated else TEXT if _is_text(channel) else np.dtype(channel.dtype)

    def read(start: int, stop: int) -> NDArray[Any]:
        with foreign(f"{path}, channel {name!r}", NOUN):
            values = _read(path, group, name, start, stop)
            if len(values) != stop - start:
                raise ReadError(
                    f"{path}, channel {name!r}: it states {length} values and ends before row {start + len(values) + 1}"
                )
            return _seconds(values, _read(path, group, name, 0, 1)) if dated else np.asarray(values)

    return Stored((length,), dtype, read)


def _read(path: Path, group: str, name: str, start: int, stop: int) -> Any:
    with _opened(path) as file:
        return file[group][name].read_data(offset=start, length=stop - start)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open with nptdms, which writes to the error stream what becomes a remark here."""
    import nptdms
    from nptdms.log import log_manager

    level = log_manager.log_level
    log_manager.set_level(logging.ERROR)
    try:
        # Given a stream and not a path, it does not look for an index file, which may belong to another file.
        with path.open("rb") as stream, nptdms.TdmsFile.open(stream, raw_timestamps=True) as file:
            yield file
    finally:
        log_manager.set_level(level)


def _seconds(stamps: Any, first: Any) -> NDArray[np.float64]:
    """Seconds since the first: whole seconds and 2**-64 fractions apart, as float64 cannot hold both."""
    whole = (stamps.seconds - first.seconds[0]).astype(np.float64)
    parts = stamps.second_fractions.astype(np.float64) - float(first.second_fractions[0])
    return whole + parts * _FRACTIONS


def _dated(channel: Any) -> bool:
    import nptdms

    return channel.data_type is nptdms.types.TimeStamp


def _is_text(channel: Any) -> bool:
    import nptdms

    return channel.data_type is nptdms.types.String


def _lines(owner: str, properties: Any) -> list[str]:
    return [
        f"{owner}@{printable(name)}: {printable(value)}" for name, value in properties.items() if name != UNIT
    ]


def _incomplete(file: Any) -> list[str]:
    """A remark when the last segment is shorter than it states."""
    status = file.file_status
    if not status.incomplete_final_segment and status.channel_statuses is None:
        return []
    return [
        "the last segment of the file is incomplete: its writing was interrupted, or the file is cut short; "
        "what is there was read"
    ]


def _is_tdms(path: Path, head: bytes) -> bool:
    return head.startswith(b"TDSm")


READER = Reader("tdms", "LabVIEW TDMS files: a group is a table, a channel a column", _is_tdms, open_tdms)
