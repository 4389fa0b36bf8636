r"""Peak of a long record's posterior, found with a part that stands in for it.

First the part by itself; then, tied to the whole at the peak so far (`charz.fitting.stand_in`), the peak again, until
the tie lies next to it. The stand-in is short, so that values of it are cheap and differences of values are all that is
needed: with steps of a tenth of a standard deviation in double precision they are exact to five digits, and no
derivative has to be compiled.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from charz.fitting.ascent import best_candidate, climb
from charz.fitting.contract import Model
from charz.fitting.density import Density
from charz.fitting.differences import central_differences, refined_steps, steps_for
from charz.fitting.priors import Prior, constants_of, families_of
from charz.fitting.stand_in import StandIn, standard_error

MAX_TIES = 8
# Standard deviations by which the peak may be wrong because the tie lies apart from it.
LARGEST_SHIFT = 0.05
FIRST_STEP = 1e-4  # of the prior's standard deviation


class Peak(NamedTuple):
    """Peak of every unit, (unit, parameter), with minus the Hessian there.

    Parameters
    ----------
    mode, curvature, prior_curvature : array
    stand_in : StandIn or None
        Tied next to the peak; None where no tie came to lie near it.
    """

    mode: np.ndarray
    curvature: np.ndarray
    prior_curvature: np.ndarray
    stand_in: StandIn | None


def anchored_peak(model: Model, priors: Mapping[str, Prior], part: StandIn, pool: str) -> Peak:
    """Climb the stand-in of a long record; to be called inside ``jax.enable_x64(True)``.

    Parameters
    ----------
    model : Model
        Without latent variables.
    priors : mapping
        Priors of the typical device by linked name.
    part : StandIn
        Not tied to the whole yet.
    pool : str
        ``complete`` makes all devices one unit.
    """
    typical = {p.linked_name: priors[p.linked_name] for p in model.free}

    def density_of(stand_in: StandIn) -> Density:
        return Density(
            model, families_of(typical), pool, stand_in.arrays, constants_of(typical), with_terms=True
        )

    density = density_of(part)
    start = best_candidate(model, part, pool == "complete", lambda eta: density(eta[None])[0][0])
    steps = refined_steps(lambda points: density(points)[0], start, _first_steps(typical, start))
    mode, curvature, prior_curvature = _climbed(density, typical, start, steps)
    for _ in range(MAX_TIES):
        tie = mode
        part = part.anchored(natural_values(model, tie, len(part.devices)))
        density = density_of(part)
        mode, curvature, prior_curvature = _climbed(density, typical, tie, steps_for(curvature))
        if _shift(density, tie, mode, curvature) < LARGEST_SHIFT:
            return Peak(mode, curvature, prior_curvature, part)
    return Peak(mode, curvature, prior_curvature, None)


def natural_values(model: Model, eta: np.ndarray, num_devices: int) -> dict[str, np.ndarray]:
    """Natural values (device,) of linked parameters (unit, parameter)."""
    values = model.values_from_linked({p.linked_name: eta[:, i] for i, p in enumerate(model.free)})
    return {name: np.broadcast_to(np.asarray(value), (num_devices,)) for name, value in values.items()}


def expansion(
    density: Density, typical: Mapping[str, Prior], eta: np.ndarray, steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Value, gradient, minus the Hessian, and curvature of the prior, by central differences of the steps.

    Parameters
    ----------
    density : Density
    typical : mapping
        Priors by linked name, in the order of the parameters.
    eta, steps : array (unit, parameter)
    """
    here, gradient, curvature = central_differences(lambda points: density(points)[0], eta, steps)
    return here, gradient, curvature, _prior_curvature(typical, eta)


def _climbed(
    density: Density, typical: Mapping[str, Prior], start: np.ndarray, steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Climb twice: the second time with steps that fit the curvature at the peak of the first."""
    mode, curvature, _ = climb(lambda eta: expansion(density, typical, eta, steps), start)
    steps = steps_for(curvature)
    return climb(lambda eta: expansion(density, typical, eta, steps), mode)


def _shift(density: Density, tie: np.ndarray, mode: np.ndarray, curvature: np.ndarray) -> float:
    r"""Standard deviations by which the peak may be wrong: relative error of the curvature times distance of the tie.

    With a relative error ε of the curvature a parabola tied at a distance d is off by :math:`\epsilon d^2/2` at the
    peak, which the scatter of the segments tells, and its peak by :math:`\epsilon d`.
    """
    terms = density(np.stack([tie, mode]))[1]
    error = np.sqrt((standard_error(terms[1:], terms[0]) ** 2).sum())
    step = mode - tie
    distance = np.sqrt(np.maximum(np.einsum("ui,uij,uj->u", step, curvature, step), 0.0)).max()
    return float(2 * error / max(distance, 1.0))


def _first_steps(typical: Mapping[str, Prior], eta: np.ndarray) -> np.ndarray:
    return FIRST_STEP / np.sqrt(np.maximum(_prior_curvature(typical, eta), np.finfo(float).tiny))


def _prior_curvature(typical: Mapping[str, Prior], eta: np.ndarray) -> np.ndarray:
    columns = [prior.expand(eta[:, i])[2] for i, prior in enumerate(typical.values())]
    return np.stack(np.broadcast_arrays(*columns), -1)
