"""A simulated measurement of domain-wall wires, as a canonical dataset and as a file like a laboratory's.

SIMULATED, and labelled so wherever it goes. The mean wire is published (authors' code of Ellis et al. 2023);
the spread from wire to wire is not and is our choice, and so are the settings and the number of trials. The
control variable has no published unit: it is ``arb``.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray
from numpy.typing import NDArray

from charz import __version__
from charz.atomic import replacing
from charz.datasets.population import (
    LOCATION_SD,
    LOG_WIDTH_SD,
    LOGIT_FLOOR_SD,
    WirePopulation,
    simulate_population,
)
from charz.devices import LogisticSwitching, mean_wire
from charz.errors import CharzError
from charz.units import ARBITRARY

NUM_WIRES = 24
NUM_SETTINGS = 13
NUM_TRIALS = 100
# Half the width of the sweep: ±2 around the centre sees the lower plateau, from which the floor is known.
SPAN = 2.0
# Settings are rounded as an instrument would print them, so that file and dataset hold the same numbers.
_DECIMALS = 4

DEVICE_FAMILY = "domain-wall wire"
SIMULATED = (
    "true: no measurement; published mean wire (Ellis et al. 2023), spread between wires chosen by charz"
)
COLUMNS = ("wire", "control_w", "num_trials", "num_passed")


# Compiled as a whole: operation by operation the first call takes half as long again, later ones much longer.
_simulate = jax.jit(simulate_population, static_argnames=("num_wires", "num_trials"))


class SimulatedWires(NamedTuple):
    """A simulated measurement together with the truth behind it.

    Parameters
    ----------
    law : LogisticSwitching
        True parameters of each wire, leaves of shape (wire,).
    population : WirePopulation
        Distribution from which the wires were drawn.
    amplitude : array of float64, shape (setting,)
        Control variable w, in its unpublished unit; the same settings for every wire.
    num_trials : int
        Trials at each setting of each wire.
    num_passed : array of int64, shape (wire, setting)
        Domain walls that passed.
    """

    law: LogisticSwitching
    population: WirePopulation
    amplitude: NDArray[np.float64]
    num_trials: int
    num_passed: NDArray[np.int64]

    @property
    def wire_names(self) -> list[str]:
        """Names ``wire-01``, ``wire-02``, ... of equal length."""
        digits = max(2, len(str(len(self.num_passed))))
        return [f"wire-{number:0{digits}d}" for number in range(1, len(self.num_passed) + 1)]


def sweep_settings(num_settings: int = NUM_SETTINGS, span: float = SPAN) -> NDArray[np.float64]:
    """Equally spaced settings of the control variable, centred on the mean wire.

    Parameters
    ----------
    num_settings : int
    span : float
        Half the width of the sweep, in the unit of the control variable.

    Returns
    -------
    array of float64, shape (num_settings,)
        Rounded to four decimals.
    """
    # float32 constants carry noise in the eighth digit, which the rounding removes.
    centre = float(mean_wire().location)
    return np.round(np.linspace(centre - span, centre + span, num_settings), _DECIMALS)


def simulate_wires(
    key: PRNGKeyArray,
    num_wires: int = NUM_WIRES,
    num_settings: int = NUM_SETTINGS,
    num_trials: int = NUM_TRIALS,
    *,
    location_sd: float = LOCATION_SD,
    log_width_sd: float = LOG_WIDTH_SD,
    logit_floor_sd: float = LOGIT_FLOOR_SD,
    span: float = SPAN,
) -> SimulatedWires:
    """Simulate the measurement of wires that scatter around the published mean wire.

    The device-to-device spreads are NOT published; the defaults are our choice.

    Parameters
    ----------
    key : PRNG key
        The same key gives the same wires and the same counts.
    num_wires, num_settings, num_trials : int
        Size of the measurement.
    location_sd : float
        Standard deviation of the centre, in the unit of the control variable.
    log_width_sd : float
        Standard deviation of the logarithm of the width.
    logit_floor_sd : float
        Standard deviation of the logit of the floor.
    span : float
        Half the width of the sweep, in the unit of the control variable.

    Raises
    ------
    CharzError
        When a size is below 1, a spread is negative, or the sweep has no width.
    """
    sizes = {"num_wires": num_wires, "num_settings": num_settings, "num_trials": num_trials}
    for name, size in sizes.items():
        if size < 1:
            raise CharzError(f"{name} is {size}; a measurement needs at least 1")
    spreads = {"location_sd": location_sd, "log_width_sd": log_width_sd, "logit_floor_sd": logit_floor_sd}
    for name, spread in spreads.items():
        if not (np.isfinite(spread) and spread >= 0):
            raise CharzError(f"{name} is {spread}; a standard deviation is zero (identical wires) or more")
    if not (np.isfinite(span) and span > 0):
        raise CharzError(f"span is {span}; half the width of a sweep must be above zero")
    population = WirePopulation.around_mean_wire(location_sd, log_width_sd, logit_floor_sd)
    amplitude = sweep_settings(num_settings, span)
    law, num_passed = _simulate(
        key, population, jnp.asarray(amplitude, jnp.float32), num_wires=num_wires, num_trials=num_trials
    )
    return SimulatedWires(law, population, amplitude, num_trials, np.asarray(num_passed, dtype=np.int64))


def wires_dataset(wires: SimulatedWires) -> xr.Dataset:
    """Canonical dataset of a simulated measurement, as if its file had been read.

    Returns
    -------
    xarray.Dataset
        Experiment ``pulse_switching``, dims (device, setting), `amplitude` in ``arb``; the attribute
        ``simulated`` says that nothing was measured.
    """
    shape = wires.num_passed.shape
    dims = ("device", "setting")
    count = {"units": "1"}
    return xr.Dataset(
        {
            "amplitude": (
                dims,
                np.broadcast_to(wires.amplitude, shape).copy(),
                {"units": ARBITRARY, "long_name": "control variable w"},
            ),
            "num_trials": (
                dims,
                np.full(shape, wires.num_trials, dtype=np.int64),
                count | {"long_name": "number of domain walls sent"},
            ),
            "num_switched": (
                dims,
                wires.num_passed.copy(),
                count | {"long_name": "number of domain walls passed"},
            ),
        },
        coords={"device": ("device", wires.wire_names, {"long_name": "wire"})},
        attrs={
            "experiment": "pulse_switching",
            "device_family": DEVICE_FAMILY,
            "simulated": SIMULATED,
            "charz_version": __version__,
        },
    )


def write_lab_csv(path: Path | str, wires: SimulatedWires, *, delimiter: str = ";") -> Path:
    """Write a simulated measurement as an instrument would.

    Byte-order mark, comment lines that say SIMULATED, header and table, a metadata footer that says so again.
    The bytes depend only on `wires` and `delimiter`; the file appears whole or not at all.

    Parameters
    ----------
    path : path
        File to write; its folder must exist.
    wires : SimulatedWires
        From `simulate_wires`.
    delimiter : str
        ``;``, ``,`` or a tab.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    CharzError
        When the delimiter is another.

    Examples
    --------
    >>> import jax
    >>> wires = simulate_wires(jax.random.key(0))
    >>> write_lab_csv("wires.csv", wires)  # doctest: +SKIP
    """
    if delimiter not in (";", ",", "\t"):
        raise CharzError(f"delimiter is {delimiter!r}; choose ';', ',' or a tab")
    table = [
        (name, f"{amplitude:.{_DECIMALS}f}", str(wires.num_trials), str(passed))
        for name, row in zip(wires.wire_names, wires.num_passed.tolist(), strict=True)
        for amplitude, passed in zip(wires.amplitude.tolist(), row, strict=True)
    ]
    lines = [*_comments(), *(delimiter.join(row) for row in (COLUMNS, *table, *_footer(wires)))]
    target = Path(path)
    with replacing(target) as temporary:
        temporary.write_bytes(("\r\n".join(lines) + "\r\n").encode("utf-8-sig"))
    return target


def _comments() -> list[str]:
    return [
        "# SIMULATED domain-wall transmission counts, not a measurement (written by charz)",
        "# one line for each wire and setting; num_passed domain walls of num_trials passed the wire",
        "# unit of control_w: arb (not published)",
    ]


def _footer(wires: SimulatedWires) -> list[tuple[str, str]]:
    # Values carry their meaning as text: "name;0.2" alone could as well be a data row that was cut short.
    spreads = wires.population
    return [
        ("simulated", "yes"),
        ("mean wire", "published (Ellis et al. 2023): w0 = 4.63168 / k = 2.72741 / a = 0.97813"),
        ("spread between wires", "not published / chosen by charz"),
        ("location", f"normal with sd {float(spreads.location_sd):.6g} arb"),
        ("width", f"log-normal with sd {float(spreads.log_width_sd):.6g}"),
        ("floor", f"logit-normal with sd {float(spreads.logit_floor_sd):.6g}"),
    ]
