r"""What learning and inference cost in energy: counted events times named inputs, never a measured result.

Events are counted in training (`Training.counts`); what one of them costs are inputs that a user names, or draws of a
posterior, so that a cost has an interval. Every input broadcasts: numbers, or arrays over draws.

One operation is half a multiply-accumulate: ``OPS_PER_MAC`` = 2. TOPs/W = 1e-12 / (energy of one operation in J); a
number without its convention says nothing.

Source: notes on Greenberg-Toledo et al., Semicond. Sci. Technol. 36, 114003 (2021), section 5, and on Li et al.,
arXiv:2304.12866 (L7).
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charz.errors import TrainError
from charz.learning.architecture import Architecture, dense

OPS_PER_MAC = 2
TERA = 1e12
INTERVAL_PROBABILITY = 0.9
Energy = NDArray[np.floating]


@dataclass(frozen=True)
class Cell:
    """One device, as it is read and written.

    Parameters
    ----------
    conductance : float or array
        In S, while read and while written.
    read_voltage, read_time : float or array
        Of one read, in V and s.
    write_voltage, pulse_width : float or array
        Of a programming pulse, in V and s; the width of those pulses whose own width was not counted.
    devices : int
        Devices a weight that a read goes through: 2 in a differential pair.

    Raises
    ------
    TrainError
        For an input below zero.
    """

    conductance: ArrayLike
    read_voltage: ArrayLike = 0.1
    read_time: ArrayLike = 1e-8
    write_voltage: ArrayLike = 1.0
    pulse_width: ArrayLike = 1e-8
    devices: int = 1

    def __post_init__(self) -> None:
        _check_inputs(self)

    def read(self) -> Energy:
        """Energy of one read of a weight, :math:`n V_r^2 G t_r`, in J."""
        one = np.square(np.asarray(self.read_voltage)) * np.asarray(self.conductance)
        return np.asarray(self.devices * one * np.asarray(self.read_time), float)

    def write(self, pulse_time: ArrayLike) -> Energy:
        """Energy of pulses of this total width (s) on single devices, :math:`V_w^2 G t`, in J."""
        power = np.square(np.asarray(self.write_voltage)) * np.asarray(self.conductance)
        return np.asarray(power * np.asarray(pulse_time), float)


@dataclass(frozen=True)
class Periphery:
    """What one event outside the array costs, in J. Defaults: orders of magnitude, *assumed* in the notes on Li et al.

    Parameters
    ----------
    driver : float or array
        Switching one input line on or off.
    comparator : float or array
        Comparing one output with its noise (10 to 50 fJ).
    adc, dac : float or array
        One conversion of 8 bits (1 to 3 pJ; 0.1 to 1 pJ).

    Raises
    ------
    TrainError
        For an input below zero.
    """

    driver: ArrayLike = 1e-14
    comparator: ArrayLike = 3e-14
    adc: ArrayLike = 2e-12
    dac: ArrayLike = 5e-13

    def __post_init__(self) -> None:
        _check_inputs(self)


class Count(NamedTuple):
    """Events of one inference, or of a training: reads of weights, pulses, and periphery.

    ``pulses`` have the width of the cell's; ``pulse_time`` is the sum, in s, of widths that were counted one by one.
    ``macs``, multiply-accumulates, cost nothing themselves: they are what the energy bought.
    """

    reads: float = 0.0
    pulses: float = 0.0
    pulse_time: float = 0.0
    drivers: float = 0.0
    comparators: float = 0.0
    adcs: float = 0.0
    dacs: float = 0.0
    macs: float = 0.0

    def times(self, number: float) -> "Count":
        """As many of every event."""
        return Count(*(number * events for events in self))


def energy(count: Count, cell: Cell, periphery: Periphery) -> Energy:
    """Energy of counted events, in J; of the shape of the inputs."""
    parts = (
        count.reads * cell.read(),
        cell.write(count.pulses * np.asarray(cell.pulse_width) + count.pulse_time),
        count.drivers * np.asarray(periphery.driver),
        count.comparators * np.asarray(periphery.comparator),
        count.adcs * np.asarray(periphery.adc),
        count.dacs * np.asarray(periphery.dac),
    )
    return np.asarray(sum(parts), float)


def inference_count(
    architecture: Architecture,
    *,
    passes: int = 1,
    binary: bool = False,
    activity: float = 1.0,
    devices: int = 1,
    pulsed: bool = False,
    analog_inputs: bool = False,
) -> Count:
    r"""Events of one inference: every layer's inputs, weights and outputs, for each pass and each image position.

    Parameters
    ----------
    architecture : Architecture
    passes : int
        Passes a sample: votes, or the N measurements of a stochastic synapse.
    binary : bool
        Signals are single bits: lines are switched, only the share ``activity`` of the weights is read, and outputs
        are compared; otherwise inputs pass a DAC and outputs an ADC.
    activity : float
        Mean share of signals that are 1.
    devices : int
        Devices a weight, each of which is read.
    pulsed : bool
        Each read follows a pulse that makes its outcome anew (domain-wall wires).
    analog_inputs : bool
        Of binary signals: the inputs of the first layer are analog all the same. Each passes a DAC, once a sample:
        what it gives is held for all passes.

    Raises
    ------
    TrainError
        For fewer than one pass, or an activity outside [0, 1].
    """
    if passes < 1:
        raise TrainError(f"passes is {passes}; an inference is at least one")
    if not 0 <= activity <= 1:
        raise TrainError(f"activity is {activity}; it is a share of signals, from 0 to 1")
    shapes = list(zip(architecture.weight_shapes, architecture.positions, strict=True))
    inputs = passes * sum(positions * num_inputs for (num_inputs, _), positions in shapes)
    outputs = passes * sum(positions * num_outputs for (_, num_outputs), positions in shapes)
    macs = [float(positions * num_inputs * num_outputs) for (num_inputs, num_outputs), positions in shapes]
    once = sum(macs)
    if not binary:
        reads = passes * devices * once
        return Count(reads, reads if pulsed else 0.0, adcs=float(outputs), dacs=float(inputs), macs=once)
    held = 0.0
    if analog_inputs:
        (num_inputs, _), positions = shapes[0]
        inputs, held = inputs - passes * positions * num_inputs, macs[0]
    reads = passes * devices * (activity * (once - held) + held)
    return Count(
        reads,
        reads if pulsed else 0.0,
        drivers=activity * inputs,
        comparators=float(outputs),
        dacs=float(architecture.num_inputs) if analog_inputs else 0.0,
        macs=once,
    )


def mac_energy(num_inputs: int, num_outputs: int, cell: Cell, periphery: Periphery, **how: float) -> Energy:
    r"""Energy of one multiply-accumulate in an array, in J (L7).

    .. math:: E_{hp} = \frac{E_{DAC} N_{in} + E_{ADC} N_{out}}{N_{in} N_{out}} + E_r, \qquad
              E_{bs} = \frac{a E_{drv} N_{in} + E_{cmp} N_{out}}{N_{in} N_{out}} + a E_r

    Parameters
    ----------
    num_inputs, num_outputs : int
        Lines of the array.
    cell, periphery
    **how
        ``binary`` and ``activity`` of `inference_count`.
    """
    count = inference_count(dense(num_inputs, num_outputs), **how)  # type: ignore[arg-type]
    return energy(count, cell, periphery) / (num_inputs * num_outputs)


def tops_per_watt(joules_per_mac: ArrayLike) -> Energy:
    """Operations a second and watt, in units of 1e12, at two operations a multiply-accumulate."""
    return np.asarray(OPS_PER_MAC / (TERA * np.asarray(joules_per_mac, float)))


def joules_per_mac(tops: float) -> float:
    """Energy of a multiply-accumulate, in J, that a number of TOPs/W means; inverse of `tops_per_watt`.

    Raises
    ------
    TrainError
        For a number that is not positive.
    """
    if not tops > 0:
        raise TrainError(f"{tops} TOPs/W; it must be positive: energy is spent")
    return OPS_PER_MAC / (TERA * tops)


def interval(values: ArrayLike) -> tuple[float, float]:
    """Central 90 % of draws."""
    tail = (1 - INTERVAL_PROBABILITY) / 2
    low, high = np.quantile(np.asarray(values, float), [tail, 1 - tail])
    return float(low), float(high)


def _check_inputs(inputs: Cell | Periphery) -> None:
    for field in fields(inputs):
        value = getattr(inputs, field.name)
        if not np.all(np.asarray(value, float) >= 0):
            raise TrainError(f"{field.name} is {value}; an energy is made of inputs of 0 or more")
