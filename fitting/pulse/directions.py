"""A model of two directions from a model of one: set and reset, or AP→P and P→AP, of one junction."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Array

from charz.devices import TwoDirections
from charz.fitting.contract import Arrays, FreeParameter, Model, Observations, Values
from charz.fitting.pulse.candidates import Candidates, directed
from charz.fitting.pulse.likelihood import binomial_terms, log_binomial_coefficient
from charz.fitting.pulse.priors import Priors
from charz.fitting.pulse.simulate import Formula, binomial_counts, directed_curve
from charz.fitting.pulse.sweep import DIRECTIONS, in_direction

MEANINGS = {"set": "out of the lower initial state", "reset": "out of the higher initial state"}


def both_directions(model: Model, formula: Formula, name: str) -> Model:
    """Give every direction its own parameters, ``<name>_set`` and ``<name>_reset``.

    Parameters
    ----------
    model : Model
        Of one direction, with binomial counts.
    formula : callable
        Its probability in NumPy.
    name : str
        Of the new model.
    """

    def law(values: Values) -> TwoDirections:
        return TwoDirections(**{d: model.law(of_direction(values, d)) for d in DIRECTIONS})

    def natural(values: Values) -> dict[str, Any]:
        shown = {d: model.natural(of_direction(values, d)) for d in DIRECTIONS}
        return {f"{name}_{d}": value for d, found in shown.items() for name, value in found.items()}

    def shown_units(observations: Observations) -> dict[str, str]:
        return {
            f"{name}_{d}": unit for d in DIRECTIONS for name, unit in model.shown_units(observations).items()
        }

    def log_likelihood(values: Values, arrays: Arrays) -> Array:
        return binomial_terms(law(values), arrays)

    def left_out(values: Values, arrays: Arrays) -> Array:
        return binomial_terms(law(values), arrays) + log_binomial_coefficient(arrays)

    def replicate(
        generator: np.random.Generator, values: Mapping[str, np.ndarray], observations: Observations
    ) -> dict[str, np.ndarray]:
        arrays = observations.arrays
        probability = directed_curve(formula, values, arrays)
        return {"num_switched": binomial_counts(generator, probability, arrays["num_trials"])}

    def priors(observations: Observations) -> Priors:
        found: Priors = {}
        for direction in DIRECTIONS:
            of_one = model.priors(in_direction(observations, direction))
            found |= {f"{linked}_{direction}": pair for linked, pair in of_one.items()}
        return found

    def candidates(observations: Observations) -> Candidates:
        parts = {direction: in_direction(observations, direction) for direction in DIRECTIONS}
        return directed(model.candidates, formula, parts)

    return Model(
        name,
        f"two directions, each with its own parameters: {model.summary}",
        tuple(_renamed(p, direction) for direction in DIRECTIONS for p in model.free),
        law,
        log_likelihood,
        replicate,
        priors,
        candidates,
        natural,
        shown_units,
        left_out=left_out,
    )


def of_direction(values: Mapping[str, Any], direction: str) -> dict[str, Any]:
    """Values of one direction, by the names of the model of one direction."""
    end = f"_{direction}"
    return {name.removesuffix(end): value for name, value in values.items() if name.endswith(end)}


def _renamed(parameter: FreeParameter, direction: str) -> FreeParameter:
    meaning = f"{parameter.meaning}, {MEANINGS[direction]}"
    return replace(parameter, name=f"{parameter.name}_{direction}", meaning=meaning)
