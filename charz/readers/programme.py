"""Files that hold what was applied, not what was measured."""

import numpy as np

from charz.kinds import Kind
from charz.readers.contract import Table

# A measured analog quantity scatters; a programme of pulses repeats a few exact values.
MAX_DISTINCT = 8
MIN_ROWS = 50
_ANALOG = ("pulse_train", "iv_sweep", "retention", "transfer", "hysteresis")
_MAX_COLUMNS = 64
LOOKED_AT = 100_000


def programme_reason(table: Table, kind: Kind) -> str | None:
    """Say why a table looks like a stimulus programme; None where it does not.

    It does when the kind's response is analog and every column of numbers takes at most `MAX_DISTINCT` exact values
    in `MIN_ROWS` rows or more.
    """
    rows, columns = len(table.rows), len(table.columns)
    if kind.name not in _ANALOG or not MIN_ROWS <= rows <= LOOKED_AT or columns > _MAX_COLUMNS:
        return None
    counts = []
    for index in range(columns):
        try:
            values = table.numbers([index])[0]
        except ValueError:
            continue  # a column of text says nothing
        values = values[~np.isnan(values)]
        if values.size:
            counts.append(np.unique(values).size)
            if counts[-1] > MAX_DISTINCT:
                return None
    if not counts:
        return None
    return (
        f"its columns take only {', '.join(map(str, counts))} different exact values in {rows} rows, as a stimulus "
        "programme (voltage, hold time) does; measured values scatter. It says what was applied, not what the device "
        "did"
    )
