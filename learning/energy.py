"""Energy of a stored result: the events that its file holds, times named inputs, beside its accuracy.

Results of `charz train` and `charz predict` hold how many events one inference takes, and a training how many it took.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from charz.errors import TrainError
from charz.learning.cost import Count, energy, tops_per_watt
from charz.learning.cost_inputs import CostInputs
from charz.learning.inference import Inference
from charz.learning.schemes import Scheme

# Attributes of results: counts of one inference (or why there are none), and of the training.
INFERENCE, TRAINING, REFUSED = "inference_events", "training_events", "no_inference_events"


class EnergyRow(NamedTuple):
    """One result: its accuracies, and its energies in J (draws, or one number)."""

    name: str
    scheme: str
    inference: str
    accuracy: NDArray[np.floating]
    per_inference: NDArray[np.floating]
    training: NDArray[np.floating] | None
    tops_per_watt: NDArray[np.floating] | None


def event_attrs(
    scheme: Scheme, inference: Inference, counts: Mapping[str, float] | None = None
) -> dict[str, str]:
    """What a result keeps of its events, as JSON.

    Parameters
    ----------
    scheme : Scheme
    inference : Inference
        How the network was asked.
    counts : mapping, optional
        `Training.counts` of one run; a prediction has none.
    """
    try:
        kept = {INFERENCE: _written(scheme.inference_count(inference))}
    except TrainError as error:
        return {REFUSED: str(error)}
    if counts is not None:
        kept[TRAINING] = _written(scheme.training_count(counts))
    return kept


def energy_row(name: str, result: xr.Dataset, inputs: CostInputs) -> EnergyRow:
    """Energies of a stored result.

    Parameters
    ----------
    name : str
        What the result is called, in messages and plots.
    result : Dataset
        Of `charz train` or `charz predict`.
    inputs : CostInputs

    Raises
    ------
    TrainError
        When it is no such result, or its scheme has no events to count.
    """
    if REFUSED in result.attrs:
        raise TrainError(f"{name}: {result.attrs[REFUSED]}")
    if INFERENCE not in result.attrs or "accuracy" not in result:
        raise TrainError(
            f"{name} holds no counted events; energies are of results of `charz train` and `charz predict`"
        )
    count = _read(name, result.attrs[INFERENCE])
    once = energy(count, inputs.cell, inputs.periphery)
    trained = result.attrs.get(TRAINING)
    return EnergyRow(
        name=name,
        scheme=str(result.attrs.get("scheme", "")),
        inference=str(result.attrs.get("inference", "")),
        accuracy=np.asarray(result["accuracy"], float).ravel(),
        per_inference=once,
        training=None if trained is None else energy(_read(name, trained), inputs.cell, inputs.periphery),
        tops_per_watt=tops_per_watt(once / count.macs) if count.macs and np.all(once > 0) else None,
    )


def _written(count: Count) -> str:
    return json.dumps(count._asdict())


def _read(name: str, text: Any) -> Count:
    try:
        return Count(**{key: float(value) for key, value in json.loads(str(text)).items()})
    except (ValueError, TypeError, AttributeError) as error:
        raise TrainError(f"{name}: the counted events in its attributes cannot be read ({error})") from error
