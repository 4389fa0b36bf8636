"""Where chains begin and the scale of each coordinate: near each device's own mode, one point a chain."""

import numpy as np

from charz.fitting.centring import PopulationGuess
from charz.fitting.modes import Modes
from charz.fitting.population import uncentre

# Standard deviations of the start points relative to the posterior's: wide enough for R-hat to notice chains
# that do not mix, near enough that a curve of 1/300 of the sweep is not lost.
OVERDISPERSION = 1.5
LARGEST_LOG_SD_JITTER = 0.7


def start_values(
    generator: np.random.Generator,
    names: tuple[str, ...],
    num_chains: int,
    pool: str,
    modes: Modes,
    guess: PopulationGuess | None,
) -> dict[str, np.ndarray]:
    """Unconstrained start values of every sampled site, chains along the leading axis.

    Parameters
    ----------
    generator : numpy.random.Generator
    names : tuple of str
        Linked names of the free parameters, in the order of `modes`.
    num_chains : int
    pool : str
    modes : Modes
    guess : PopulationGuess or None
        Needed by hierarchical fits only.
    """
    if guess is not None:
        return _population(generator, names, num_chains, modes, guess)
    root = np.linalg.cholesky(modes.covariance)
    noise = generator.standard_normal((num_chains, *modes.mode.shape))
    values = modes.mode + OVERDISPERSION * np.einsum("dij,cdj->cdi", root, noise)
    if pool == "complete":
        values = values[:, 0]
    return {name: values[..., index] for index, name in enumerate(names)}


def _population(
    generator: np.random.Generator,
    names: tuple[str, ...],
    num_chains: int,
    modes: Modes,
    guess: PopulationGuess,
) -> dict[str, np.ndarray]:
    """Centre and spread drawn around the rough estimate, devices shrunk towards the centre by their weight."""
    variance = np.diagonal(modes.covariance, axis1=1, axis2=2)
    sites = {}
    for index, name in enumerate(names):
        mean = guess.mean[index] + OVERDISPERSION * guess.mean_sd[index] * generator.standard_normal(
            num_chains
        )
        jitter = min(guess.log_sd_sd[index], LARGEST_LOG_SD_JITTER)
        sd = guess.sd[index] * np.exp(jitter * generator.standard_normal(num_chains))
        mean_column, sd_column = mean[:, None], sd[:, None]
        precision = 1 / variance[:, index] + 1 / sd_column**2
        centre = (modes.mode[:, index] / variance[:, index] + mean_column / sd_column**2) / precision
        device = centre + generator.standard_normal(centre.shape) / np.sqrt(precision)
        sites[f"{name}_mean"] = mean
        sites[f"{name}_sd"] = np.log(sd)
        sites[f"{name}_u"] = uncentre(
            device, mean_column, sd_column, guess.centring[:, index], guess.sd[index]
        )
    return sites


def coordinate_scales(
    names: tuple[str, ...], pool: str, modes: Modes, guess: PopulationGuess | None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Rough centre and posterior standard deviation of every sampled site, in its unconstrained coordinate.

    The sampler works on ``(site - centre)/scale``. Without it, adaptation would start from a unit metric where a
    location is known to a millivolt, and NUTS would spend most of the warmup in trees of a thousand steps.
    """
    variance = np.diagonal(modes.covariance, axis1=1, axis2=2)
    if guess is None:
        pick = 0 if pool == "complete" else slice(None)
        centre = {name: modes.mode[pick, i] for i, name in enumerate(names)}
        return centre, {name: np.sqrt(variance[pick, i]) for i, name in enumerate(names)}
    centre, scale = dict[str, np.ndarray](), dict[str, np.ndarray]()
    for i, name in enumerate(names):
        weight, precision = guess.centring[:, i], 1 / variance[:, i] + 1 / guess.sd[i] ** 2
        device = (modes.mode[:, i] / variance[:, i] + guess.mean[i] / guess.sd[i] ** 2) / precision
        centre |= {f"{name}_mean": guess.mean[i], f"{name}_sd": np.log(guess.sd[i])}
        centre[f"{name}_u"] = device + (weight - 1) * guess.mean[i]
        scale |= {f"{name}_mean": guess.mean_sd[i], f"{name}_sd": guess.log_sd_sd[i]}
        scale[f"{name}_u"] = np.sqrt(1 / precision + ((1 - weight) * guess.mean_sd[i]) ** 2)
    return centre, scale
