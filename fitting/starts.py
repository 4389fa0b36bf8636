"""Where chains begin and the scale of each coordinate: near each device's own mode, one point a chain."""

from dataclasses import dataclass

import numpy as np

from charz.fitting.centring import PopulationGuess
from charz.fitting.contract import Model
from charz.fitting.modes import Modes
from charz.fitting.population import uncentre, varies

# Standard deviations of the start points relative to the posterior's: wide enough for R-hat to notice chains
# that do not mix, near enough that a curve of 1/300 of the sweep is not lost.
OVERDISPERSION = 1.5
LARGEST_LOG_SD_JITTER = 0.7
LATENT_JITTER = 0.5


@dataclass(frozen=True)
class Approximation:
    """What is known before sampling: modes of all units, and the population of what varies.

    Parameters
    ----------
    modes : Modes
        All parameters.
    guess : PopulationGuess or None
        Of the parameters that vary, in their order; None unless hierarchical.
    num_latents : dict
        Number of latent variables by name.
    """

    modes: Modes
    guess: PopulationGuess | None
    num_latents: dict[str, int]


def start_values(
    generator: np.random.Generator, model: Model, pool: str, num_chains: int, known: Approximation
) -> dict[str, np.ndarray]:
    """Unconstrained start values of every sampled site, chains along the leading axis."""
    sites = _direct(generator, model, pool, num_chains, known.modes)
    if known.guess is not None:
        sites |= _population(generator, model, pool, num_chains, known.modes, known.guess)
    for name, number in known.num_latents.items():
        sites[name] = LATENT_JITTER * generator.standard_normal((num_chains, number))
    return sites


def _direct(
    generator: np.random.Generator, model: Model, pool: str, num_chains: int, modes: Modes
) -> dict[str, np.ndarray]:
    """Parameters without a population."""
    if pool == "hierarchical":
        centre, scale = common_values(modes)
        noise = generator.standard_normal((num_chains, len(centre)))
        values = centre + OVERDISPERSION * scale * noise
    else:
        root = np.linalg.cholesky(modes.covariance)
        noise = generator.standard_normal((num_chains, *modes.mode.shape))
        values = modes.mode + OVERDISPERSION * np.einsum("dij,cdj->cdi", root, noise)
        if pool == "complete":
            values = values[:, 0]
    return {p.linked_name: values[..., index] for index, p in enumerate(model.free) if not varies(p, pool)}


def common_values(modes: Modes) -> tuple[np.ndarray, np.ndarray]:
    """Each parameter as if all devices had the same value: precision-weighted mean and its error."""
    precision = 1 / np.diagonal(modes.covariance, axis1=1, axis2=2)
    total = precision.sum(0)
    return (precision * modes.mode).sum(0) / total, 1 / np.sqrt(total)


def _population(
    generator: np.random.Generator,
    model: Model,
    pool: str,
    num_chains: int,
    modes: Modes,
    guess: PopulationGuess,
) -> dict[str, np.ndarray]:
    """Centre and spread drawn around the rough estimate, devices shrunk towards the centre by their weight."""
    variance = np.diagonal(modes.covariance, axis1=1, axis2=2)
    columns = [column for column, p in enumerate(model.free) if varies(p, pool)]
    sites = {}
    for index, column in enumerate(columns):
        name = model.free[column].linked_name
        jitter = OVERDISPERSION * guess.mean_sd[index]
        mean = guess.mean[index] + jitter * generator.standard_normal(num_chains)
        jitter = min(guess.log_sd_sd[index], LARGEST_LOG_SD_JITTER)
        sd = guess.sd[index] * np.exp(jitter * generator.standard_normal(num_chains))
        mean_column, sd_column = mean[:, None], sd[:, None]
        precision = 1 / variance[:, column] + 1 / sd_column**2
        centre = (modes.mode[:, column] / variance[:, column] + mean_column / sd_column**2) / precision
        device = centre + generator.standard_normal(centre.shape) / np.sqrt(precision)
        sites[f"{name}_mean"] = mean
        sites[f"{name}_sd"] = np.log(sd)
        sites[f"{name}_u"] = uncentre(
            device, mean_column, sd_column, guess.centring[:, index], guess.sd[index]
        )
    return sites


def coordinate_scales(
    model: Model, pool: str, known: Approximation
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Rough centre and posterior standard deviation of every sampled site, in its unconstrained coordinate.

    The sampler works on ``(site - centre)/scale``. Without it, adaptation would start from a unit metric where a
    location is known to a millivolt, and NUTS would spend most of the warmup in trees of a thousand steps.
    """
    modes, guess = known.modes, known.guess
    variance = np.diagonal(modes.covariance, axis1=1, axis2=2)
    middle, error = modes.mode, np.sqrt(variance)
    if pool == "complete":
        middle, error = middle[0], error[0]
    elif pool == "hierarchical":
        middle, error = common_values(modes)
    direct = [(column, p.linked_name) for column, p in enumerate(model.free) if not varies(p, pool)]
    centre = {name: middle[..., column] for column, name in direct}
    scale = {name: error[..., column] for column, name in direct}
    if guess is not None:
        for part, more in zip((centre, scale), _population_scales(model, pool, modes, guess), strict=True):
            part.update(more)
    for name, number in known.num_latents.items():
        centre[name], scale[name] = np.zeros(number), np.ones(number)
    return centre, scale


def _population_scales(
    model: Model, pool: str, modes: Modes, guess: PopulationGuess
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Centres and scales of the sites of a hierarchy."""
    variance = np.diagonal(modes.covariance, axis1=1, axis2=2)
    centre, scale = dict[str, np.ndarray](), dict[str, np.ndarray]()
    varying = [(column, p.linked_name) for column, p in enumerate(model.free) if varies(p, pool)]
    for i, (column, name) in enumerate(varying):
        weight, precision = guess.centring[:, i], 1 / variance[:, column] + 1 / guess.sd[i] ** 2
        device = (modes.mode[:, column] / variance[:, column] + guess.mean[i] / guess.sd[i] ** 2) / precision
        centre |= {f"{name}_mean": guess.mean[i], f"{name}_sd": np.log(guess.sd[i])}
        centre[f"{name}_u"] = device + (weight - 1) * guess.mean[i]
        scale |= {f"{name}_mean": guess.mean_sd[i], f"{name}_sd": guess.log_sd_sd[i]}
        scale[f"{name}_u"] = np.sqrt(1 / precision + ((1 - weight) * guess.mean_sd[i]) ** 2)
    return centre, scale
