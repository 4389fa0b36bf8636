"""`fit_transfer`: from a transfer record to the posterior of a material."""

import json
from collections.abc import Callable, Mapping

import jax
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from charz.errors import FitError
from charz.fitting.contract import Model, Observations
from charz.fitting.keys import generator_from
from charz.fitting.priors import Prior
from charz.fitting.progress import shown_progress
from charz.fitting.transfer.draws import draw_material, layer_of
from charz.fitting.transfer.features import HiddenLayer
from charz.fitting.transfer.hyper import NUM_PROPOSALS
from charz.fitting.transfer.identification import identification
from charz.fitting.transfer.prediction import current_at
from charz.fitting.transfer.priors import LINEAR, SURROGATE, chosen_priors
from charz.fitting.transfer.record import EXPERIMENT, Record, observe, record_of
from charz.fitting.transfer.tree import build_tree

INTERVAL = "90 % equal-tailed"
NUM_PRIOR_DRAWS = 200
MAX_REPLICATED_NUMBERS = 2_000_000
NO_POPULATION = (
    "one material was measured: new devices are posterior draws of this material, not of a population"
)


def fit_transfer(
    dataset: xr.Dataset,
    model: str,
    *,
    key: PRNGKeyArray,
    draws: int = 1000,
    chains: int = 4,
    progress: bool | Callable[[int], None] = False,
    priors: Mapping[str, Prior] | None = None,
) -> xr.DataTree:
    """Fit a surrogate, or the linear baseline, to a transfer record, in double precision.

    Parameters
    ----------
    dataset : Dataset
        Of kind ``transfer``: voltage (sample, electrode) in V, current (sample,) in A.
    model : {"surrogate", "linear"}
    key : PRNG key
        Fixes every number of the result.
    draws, chains : int
        Independent draws, chains * draws of them, put under these names.
    progress : bool or callable
    priors : mapping, optional
        Priors, all normal, that replace the defaults of `charz.fitting.transfer.priors`, by name.

    Returns
    -------
    DataTree
        ArviZ's groups and, for the surrogate, ``weights``; `log_likelihood` holds the density of each sample given
        all others, as leave-one-out needs it.

    Raises
    ------
    FitError
        For an unknown model or prior, and for a record that cannot answer.
    """
    if model not in (LINEAR, SURROGATE):
        raise FitError(
            f"model {model!r} is no model of a transfer record; choose one of {SURROGATE}, {LINEAR}"
        )
    observations = observe(dataset)
    record = record_of(observations)
    chosen = chosen_priors(model, record, priors)
    generator, number = generator_from(key), chains * draws
    with jax.enable_x64(True), shown_progress(progress, NUM_PROPOSALS) as tick:
        drawn = draw_material(generator, record, model, chosen, number, tick)
    layer = layer_of(record, model)
    prior = prior_values(generator, layer, chosen, NUM_PRIOR_DRAWS)
    prior_current = _currents(generator, record, layer, prior)
    wanted = int(np.clip(MAX_REPLICATED_NUMBERS // (chains * len(record.current)), min(draws, 100), draws))
    kept = np.unique(np.linspace(0, draws - 1, wanted).astype(int))
    expected = drawn.expected.reshape(chains, draws, -1)[:, kept]
    noise = drawn.values["noise"].reshape(chains, draws)[:, kept, None]
    predictive = expected + noise * generator.standard_normal(expected.shape)
    unclear = identification(record)
    attrs = {
        "experiment": EXPERIMENT,
        "model": model,
        "pool": "complete",
        "interval": INTERVAL,
        "inference_library": "charz",
        "sampler": f"{drawn.sampler}, double precision",
        "converged": int(drawn.converged),
        "convergence": drawn.statement,
        "divergences": 0,
        "remarks": NO_POPULATION,
        "data_remarks": "\n".join((*observations.remarks, *filter(None, [unclear.statement()]))),
        "design_rank": unclear.rank,
        "design_columns": unclear.columns,
        "unidentified_electrodes": json.dumps(unclear.electrodes),
        "parametrization": "weights integrated out",
    }
    return build_tree(
        observations, drawn, layer, (chains, draws), kept, predictive, prior, prior_current, attrs, chosen
    )


def prior_outcomes(
    generator: np.random.Generator,
    model: Model,
    observations: Observations,
    priors: Mapping[str, Prior],
    number: int,
) -> np.ndarray:
    """Currents at the measured voltages before the data, (draw, sample), in A."""
    record = record_of(observations)
    layer = layer_of(record, model.name)
    return _currents(generator, record, layer, prior_values(generator, layer, priors, number))


def _currents(
    generator: np.random.Generator, record: Record, layer: HiddenLayer, values: Mapping[str, np.ndarray]
) -> np.ndarray:
    mean = current_at(record, layer, values, record.voltage)
    return mean + values["noise"][:, None] * generator.standard_normal(mean.shape)


def prior_values(
    generator: np.random.Generator, layer: HiddenLayer, priors: Mapping[str, Prior], number: int
) -> dict[str, np.ndarray]:
    """Draw parameters before the data, in SI units: written apart from the posterior, which is tested against it."""
    drawn = {name: prior.draw(generator, (number,)) for name, prior in priors.items()}

    def columns(name: str) -> np.ndarray:
        return np.stack([value for key, value in drawn.items() if key.startswith(f"{name}[")], axis=1)

    values = {"level": drawn["level"], "slope": columns("slope"), "noise": np.exp(drawn["log_noise"])}
    units = len(layer.offset)
    if units:
        values["amplitude"] = np.exp(drawn["log_amplitude"])
        values["relevance"] = np.exp(columns("log_relevance"))
        weight = generator.standard_normal((number, units))
        values["output_weight"] = values["amplitude"][:, None] * weight / np.sqrt(units)
    return values
