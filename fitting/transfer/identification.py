"""Which coefficients of a linear response the voltages of a record can tell apart, and which they cannot."""

from dataclasses import dataclass

import numpy as np

from charz.fitting.transfer.record import Record

# Singular values of the scaled design below this share of the largest are rounding of the file.
NOTHING = 1e-6
# Share of a null direction from which an electrode belongs to it.
INVOLVED = 1e-4


@dataclass(frozen=True)
class Identification:
    """What a design can and cannot tell.

    Parameters
    ----------
    rank, columns : int
        Of the design matrix [1, V_1 ... V_n].
    directions : array (direction, electrode)
        Orthonormal null directions in scaled voltages (shares of each range), without the intercept's part: along
        them the slopes change and no measured current does.
    electrodes : tuple of int
        Electrodes whose single slope is not identified.
    """

    rank: int
    columns: int
    directions: np.ndarray
    electrodes: tuple[int, ...]

    def statement(self) -> str:
        """Say it in one sentence; empty where every slope is identified."""
        if not self.electrodes:
            return ""
        names = ", ".join(str(number) for number in self.electrodes)
        count = self.columns - self.rank
        return (
            f"the design matrix has rank {self.rank} of {self.columns}: {count} direction{'s' * (count > 1)} of the "
            f"slopes of electrodes {names} {'are' if count > 1 else 'is'} not identified, their spread is that of the "
            "prior and only the prediction within the measured voltages is identified"
        )


def identification(record: Record) -> Identification:
    r"""Null space of the design matrix from its singular values.

    With the scaled design :math:`X = U S W^T`, the rows of :math:`W^T` whose singular value vanishes span the
    changes of the coefficients that change no measured current. An electrode's slope is identified only where its
    entry of every such row is zero.
    """
    design = np.column_stack([np.ones(len(record.current)), record.scaled(record.voltage)])
    _, values, rows = np.linalg.svd(design, full_matrices=True)
    rank = int((values > NOTHING * values[0]).sum())
    null = rows[rank:]
    involved = np.sqrt((null[:, 1:] ** 2).sum(0)) > INVOLVED
    electrodes = tuple(int(number) for number in np.flatnonzero(involved))
    return Identification(rank, design.shape[1], null[:, 1:], electrodes)
