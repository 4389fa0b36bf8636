"""All families and models, by name."""

import difflib

import xarray as xr

from charz.errors import FitError
from charz.fitting.contract import Family, Model
from charz.fitting.pulse import FAMILY as PULSE_SWITCHING
from charz.fitting.pulse_train import FAMILY as PULSE_TRAIN
from charz.fitting.ramp import FAMILY as RAMP_SWITCHING
from charz.fitting.retention import FAMILY as RETENTION
from charz.fitting.telegraph import FAMILY as TELEGRAPH
from charz.fitting.transfer import FAMILY as TRANSFER

FAMILIES: dict[str, Family] = {
    family.experiment: family
    for family in (PULSE_SWITCHING, RAMP_SWITCHING, TELEGRAPH, PULSE_TRAIN, RETENTION, TRANSFER)
}
MODELS: dict[str, Model] = {model.name: model for family in FAMILIES.values() for model in family.models}
_EXPERIMENTS = {model.name: family.experiment for family in FAMILIES.values() for model in family.models}


def find_model(name: str) -> Model:
    """Look a model up by name.

    Raises
    ------
    FitError
        When there is no such model; the message lists those that exist.
    """
    if name not in MODELS:
        close = difflib.get_close_matches(name, MODELS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise FitError(f"model {name!r} is not known{hint}; choose one of {', '.join(sorted(MODELS))}")
    return MODELS[name]


def family_of(model: str) -> Family:
    """Family that a model belongs to; `FitError` when there is no such model."""
    return FAMILIES[_EXPERIMENTS[find_model(model).name]]


def suitable_models(dataset: xr.Dataset) -> tuple[Model, ...]:
    """Models for the kind of a dataset, the one to try first in front.

    Raises
    ------
    FitError
        When nothing is fitted to this kind; the message says what is.
    """
    kind = str(dataset.attrs.get("experiment"))
    if kind not in FAMILIES:
        raise FitError(
            f"no model is fitted to a dataset of kind {kind!r}; models exist for {', '.join(FAMILIES)}"
            " ('charz extract' derives thresholds, dwells and conductances from sweeps and loops)"
        )
    return FAMILIES[kind].models


def require_suitable(model: str, dataset: xr.Dataset) -> Family:
    """Family of a model, if the dataset is of its kind.

    Raises
    ------
    FitError
        When the model is not known, or made for another kind.
    """
    family, kind = family_of(model), dataset.attrs.get("experiment")
    if kind != family.experiment:
        raise FitError(
            f"the dataset is of kind {kind!r}; model {model!r} is fitted to {family.experiment!r}. Models for it:"
            f" {', '.join(m.name for m in suitable_models(dataset))}"
        )
    return family
