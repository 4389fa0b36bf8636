r"""Tell the parameters that the data identify from those whose posterior only repeats the prior.

On the linked scale, where a parameter is a real number, each side of the posterior is compared with the prior. With
:math:`m` the posterior median,

.. math:: \rho_\pm = \frac{\mathrm E_\mathrm{post}[\,|x - m| : x \gtrless m\,]}
                         {\mathrm E_\mathrm{prior}[\,|x - m| : x \gtrless m\,]}

is the mean excess beyond the median relative to what the prior alone gives there. Data that say nothing about large
values leave the prior as it is: :math:`\rho_+ \approx 1`. A side with :math:`\rho \ge` `OPEN` is open: both open, the
parameter is not identified; one open, the data give a bound only. A time or another positive quantity whose 90 %
interval spans more than a factor `MAX_FACTOR` is not identified either, whatever its prior: such a number is none.

The thresholds are calibrated by simulation (``tests/fitting/test_identification.py``).
"""

from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import log_ndtr

from charz.fitting.contract import FreeParameter

OPEN = 0.6
MAX_FACTOR = 30.0
# Fewer prior draws beyond the median say too little about the prior there; a normal prior stands in for it.
MIN_PRIOR_DRAWS = 100
INTERVAL = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Identification:
    r"""What the data say about one parameter.

    Parameters
    ----------
    name : str
        Parameter on its natural scale; with the device in brackets where every device stands for itself.
    identified : bool
        Whether a number with an interval may be given.
    statement : str
        One sentence: number, bound, or that there is neither.
    contraction : float
        :math:`1 - \mathrm{Var}_\mathrm{post}/\mathrm{Var}_\mathrm{prior}` on the linked scale.
    low_side, high_side : float
        :math:`\rho_-` and :math:`\rho_+` of the module's formula.
    """

    name: str
    identified: bool
    statement: str
    contraction: float
    low_side: float
    high_side: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def identification(posterior: Any) -> dict[str, Identification]:
    """Judge every typical parameter of a fit: of the population, of the shared device, or of each device.

    Parameters
    ----------
    posterior : Posterior

    Returns
    -------
    dict
        By name; without pooling by ``name[device]``. Empty for models without free parameters of a device.
    """
    units, devices = posterior.units(), posterior.device_names
    after, before = (posterior.tree[group].to_dataset() for group in ("posterior", "prior"))
    found = {}
    for parameter in posterior.fit_model.free:
        population = f"{parameter.linked_name}_mean"
        drawn, known = (
            group[population].to_numpy()
            if population in group
            else _linked(parameter, group[parameter.name].to_numpy())
            for group in (after, before)
        )
        unit = units.get(parameter.name, "1")
        for label, index in _labels(parameter.name, drawn, devices):
            prior = known[..., index] if known.ndim > 2 and index != () else known
            found[label] = identify(
                label, parameter, unit, drawn[..., index] if index != () else drawn, prior
            )
    return found


def identify(
    name: str, parameter: FreeParameter, unit: str, posterior: np.ndarray, prior: np.ndarray
) -> Identification:
    """Judge one parameter by draws on its linked scale.

    Parameters
    ----------
    name : str
        What the statement calls it.
    parameter : FreeParameter
        Its link gives the natural values of the statement.
    unit : str
        Unit of the natural value.
    posterior, prior : array
        Draws of any shape, on the linked scale.
    """
    after, before = (np.ravel(draws) for draws in (posterior, prior))
    low, middle, high = np.quantile(after, INTERVAL)
    sides = [_side(sign * after, sign * before, sign * middle) for sign in (-1, 1)]
    contraction = 1 - float(np.var(after) / np.var(before))
    numbers = [f"{value:.3g}" for value in _natural(parameter, np.array([low, middle, high]))]
    tail = "" if unit in ("1", "arb") else f" {unit}"
    factor = float(np.exp(min(high - low, 700.0))) if parameter.link.prefix == "log_" else 1.0
    open_low, open_high = (side >= OPEN for side in sides)
    if open_low and open_high:
        statement = "not identified: the posterior is about as wide as the prior"
    elif open_high:
        statement = f"only a lower bound: {name} > {numbers[0]}{tail} (95 %)"
    elif open_low:
        statement = f"only an upper bound: {name} < {numbers[2]}{tail} (95 %)"
    elif factor > MAX_FACTOR:
        interval = f"{numbers[0]} to {numbers[2]}{tail}"
        statement = f"not identified: its 90 % interval, {interval}, spans a factor of {factor:.2g}"
    else:
        interval = f"90 % interval {numbers[0]} to {numbers[2]}"
        return Identification(name, True, f"{name} = {numbers[1]}{tail} ({interval})", contraction, *sides)
    return Identification(name, False, statement, contraction, *sides)


def _side(after: np.ndarray, before: np.ndarray, middle: float) -> float:
    """Mean excess of the posterior above its median over that of the prior above the same value."""
    excess = float((after[after >= middle] - middle).mean())
    beyond = before[before > middle] - middle
    if beyond.size >= MIN_PRIOR_DRAWS:
        return excess / float(beyond.mean())
    sd = float(before.std())
    return excess / (sd * _normal_excess((middle - float(before.mean())) / sd))


def _normal_excess(value: float) -> float:
    """Mean excess of a standard normal variable above a value: hazard minus value, small and positive far out."""
    hazard = np.exp(-(value**2) / 2 - np.log(2 * np.pi) / 2 - log_ndtr(-value))
    # The difference loses its digits beyond twenty standard deviations; there it is 1/value.
    return float(hazard - value) if value < 20 else 1 / value


def _linked(parameter: FreeParameter, values: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        linked = np.asarray(parameter.link.forward(jnp.asarray(values, jnp.float64)))
    # A share that rounded to 0 or 1 has no finite logit; it lies beyond all others.
    return np.clip(linked, -700.0, 700.0) if parameter.link.prefix else linked


def _natural(parameter: FreeParameter, linked: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(parameter.link.inverse(jnp.asarray(linked, jnp.float64)))


def _labels(name: str, drawn: np.ndarray, devices: list[str]) -> list[tuple[str, Any]]:
    if drawn.ndim < 3:
        return [(name, ())]
    return [(f"{name}[{device}]", index) for index, device in enumerate(devices)]
