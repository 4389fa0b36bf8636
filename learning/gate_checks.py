"""Whether data voltages, targets and tones fit the electrodes: asked before anything is measured."""

import numpy as np
from jaxtyping import Float

from charz.errors import TrainError
from charz.learning.waveform import Waveform, Wiring

# Voltages are single precision: an end of a range may be missed by its rounding, in V.
SLACK = 1e-6


def check_gates(
    lowest: Float[np.ndarray, "device electrode"],
    highest: Float[np.ndarray, "device electrode"],
    sampling_rate: float,
    waveform: Waveform,
    wiring: Wiring,
    x: Float[np.ndarray, "case data"],
    targets: Float[np.ndarray, "gate case"],
) -> None:
    """Check a task against the devices or the instrument that shall do it.

    Parameters
    ----------
    lowest, highest : array (device, electrode)
        Range of every electrode, in V.
    sampling_rate : float
        Of the records, in Hz.
    waveform, wiring
        Of the task.
    x : array (case, data)
        Data voltages, in V.
    targets : array (gate, case)
        Outputs, 0 or 1.

    Raises
    ------
    TrainError
        When electrodes or rates differ, targets are constant or not 0 and 1, voltages leave the range of their
        electrodes, or a sine has no room in the range of its control.
    """
    if lowest.ndim != 2 or lowest.shape[1] != wiring.num_electrodes:
        raise TrainError(
            f"the devices have ranges of shape {lowest.shape}, the wiring {wiring.num_electrodes} electrodes; "
            "ranges must be (device, electrode) of the same electrodes"
        )
    if sampling_rate != waveform.tones.sampling_rate:
        raise TrainError(
            f"the devices are sampled at {sampling_rate:g} Hz, the waveform at "
            f"{waveform.tones.sampling_rate:g} Hz; noise and frequencies refer to one rate"
        )
    _check_targets(wiring, x, targets)
    data = np.asarray(wiring.data)
    if (x.min(0) < lowest[:, data] - SLACK).any() or (x.max(0) > highest[:, data] + SLACK).any():
        raise TrainError(
            f"data voltages from {x.min():g} to {x.max():g} V leave the range of their electrodes, "
            f"{lowest[:, data].max():g} to {highest[:, data].min():g} V: the device may break, and a fitted surrogate "
            "extrapolates there"
        )
    controls, amplitudes = np.asarray(wiring.controls), np.asarray(waveform.tones.amplitudes)
    if (highest[:, controls] - lowest[:, controls] <= 2 * amplitudes).any():
        raise TrainError(
            f"amplitudes {waveform.tones.amplitudes} V fill the whole range of a control; the sine needs room on "
            "both sides within the electrode's range"
        )


def _check_targets(wiring: Wiring, x: np.ndarray, targets: np.ndarray) -> None:
    if targets.ndim != 2 or targets.shape[1] != x.shape[0] or x.shape[1] != len(wiring.data):
        raise TrainError(
            f"targets {targets.shape} and data voltages {x.shape} must be (gate, case) and (case, "
            f"{len(wiring.data)}): one output a case, one voltage a data electrode"
        )
    if not np.isin(targets, (0, 1)).all() or (targets == targets[:, :1]).all(1).any():
        raise TrainError(
            f"targets {targets.tolist()} must be 0 and 1, both in every gate: a constant output has no correlation "
            "and nothing to separate"
        )
