"""Devices with long records, by parts that stand in for them: each tied to its whole at its own peak.

The likelihood of a stand-in is that of the whole record near the peak (`charz.fitting.stand_in`), and no node and no
candidate lies far from it: a hierarchy of records of any length, in memory or read from a file in chunks, costs a few
passes over each, and then what records of the stand-in's length do.
"""

from collections.abc import Mapping

import numpy as np

from charz.errors import FitError
from charz.fitting.contract import Model, Observations
from charz.fitting.density import BATCH, Density
from charz.fitting.modes import Modes, modes_of_part
from charz.fitting.priors import Prior, constants_of, families_of
from charz.fitting.stand_in import JUDGED_AT, LARGEST_ERROR, StandIn, describe, standard_error


def shortened(
    generator: np.random.Generator, model: Model, priors: Mapping[str, Prior], observations: Observations
) -> tuple[Modes, str] | None:
    """Peaks of devices by parts of their records, with the stand-in, and what there is to say of it.

    To be called inside ``jax.enable_x64(True)``.

    Returns
    -------
    None where records are short, or where no part of them can stand in for the whole.

    Raises
    ------
    FitError
        In the latter case, where the whole is not in memory.
    """
    part = None if model.subsample is None else model.subsample(observations)
    if not isinstance(part, StandIn):
        return None
    typical = {p.linked_name: priors[p.linked_name] for p in model.free}
    modes = modes_of_part(model, typical, part, "none")
    if modes.stand_in is None:
        return None
    error = _error(generator, model, typical, modes, modes.stand_in)
    told = describe(modes.stand_in, error)
    if error <= LARGEST_ERROR:
        return modes, told
    if part.only:
        raise FitError(
            f"{told}; too large, and the records are too long to be evaluated whole: fit parts of them"
        )
    return None


def _error(
    generator: np.random.Generator, model: Model, typical: Mapping[str, Prior], modes: Modes, part: StandIn
) -> float:
    """Standard error of a device's log likelihood, in nats, at draws of its normal approximation."""
    density = Density(
        model, families_of(typical), "none", part.arrays, constants_of(typical), with_terms=True
    )
    normal = generator.standard_normal((BATCH - 1, *modes.mode.shape))
    draws = modes.mode + np.einsum("uij,suj->sui", np.linalg.cholesky(modes.covariance), normal)
    _, terms = density(np.concatenate([modes.mode[None], draws]))
    return float(np.quantile(standard_error(terms[1:], terms[0]), JUDGED_AT))
