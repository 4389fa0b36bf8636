"""Whether the thresholds can answer at all: every refusal says why, and what would mend it."""

import numpy as np

from charz.errors import FitError
from charz.fitting.contract import Model, Observations
from charz.fitting.ramp.models import ANY_SIGN, MIXTURES, SERIAL, THERMAL
from charz.fitting.ramp.starts import informative, representative

MIN_VALUES = 5
MIN_VALUES_OF_MIXTURE = 20
MIN_DISTINCT = 3
MIN_PAIRS = 10
MIN_DEVICES_IN_POPULATION = 3


def require_information(observations: Observations, model: Model, pool: str) -> None:
    """Refuse data that cannot answer, with the reason.

    Raises
    ------
    FitError
        Thresholds that are all censored, too few, or all alike; not positive under a law of positive ones; no ramp
        rate for thermal activation; no successive cycles for serial correlation; too few devices, or one threshold a
        device, for a population.
    """
    _require_settings(observations, model)
    if pool == "hierarchical":
        _require_population(observations)
    if pool == "none":
        for index, name in enumerate(observations.devices):
            _require_values(observations, [index], model, f" of device {name!r}")
        return
    _require_values(observations, list(range(len(observations.devices))), model, "")


def _require_settings(observations: Observations, model: Model) -> None:
    arrays, measured = observations.arrays, observations.measured
    lowest = float(arrays["threshold"][measured].min())
    if lowest <= 0 and model.name not in ANY_SIGN:
        raise FitError(
            f"a threshold of {lowest:g} {observations.units['drive']} is not positive, and model {model.name!r} is a"
            f" law of positive ones; give magnitudes, or fit {' or '.join(ANY_SIGN)}, which takes any sign"
        )
    if model.name in THERMAL and "ramp_rate" not in arrays:
        raise FitError(
            f"model {model.name!r} needs the variable 'ramp_rate': a thermal threshold depends on how fast the drive"
            " rises; give it when the file is converted, or fit a law without time such as 'gumbel'"
        )


def _require_population(observations: Observations) -> None:
    number = len(observations.devices)
    if number < MIN_DEVICES_IN_POPULATION:
        raise FitError(
            f"a hierarchical fit needs at least {MIN_DEVICES_IN_POPULATION} devices to learn their spread, the dataset"
            f" has {number}; use pool='complete' or pool='none'"
        )
    repeated = int((informative(observations).sum(1) >= 2).sum())
    if repeated < MIN_DEVICES_IN_POPULATION:
        raise FitError(
            f"only {repeated} of {number} devices have two or more thresholds that are not censored to one side; the"
            " spread between devices cannot be told from that between cycles: use pool='complete'"
        )


def _require_values(observations: Observations, rows: list[int], model: Model, which: str) -> None:
    known, unit = informative(observations)[rows], observations.units["drive"]
    total, number = int(observations.measured[rows].sum()), int(known.sum())
    if number == 0:
        raise FitError(
            f"all {total} thresholds{which} are left- or right-censored: where they lie within the ramp is not known;"
            " ramp over a wider range of drives"
        )
    least = MIN_VALUES_OF_MIXTURE if model.name in MIXTURES else MIN_VALUES
    if number < least:
        raise FitError(
            f"{number} of {total} thresholds{which} are known, exactly or between two bounds; model {model.name!r}"
            f" needs at least {least} to tell a distribution: measure more ramps"
        )
    value = representative(observations.arrays, observations)[rows][known]
    distinct = np.unique(value).size
    if distinct < MIN_DISTINCT:
        raise FitError(
            f"the {number} thresholds{which} that are known take {distinct} value{'s' * (distinct > 1)} (such as"
            f" {value[0]:g} {unit}): that is one drive, not a distribution of thresholds; at least {MIN_DISTINCT}"
            " values are needed: ramp the drive in finer steps"
        )
    if model.name in SERIAL:
        pairs = int((observations.arrays["gap"][rows] > 0).sum())
        if pairs < MIN_PAIRS:
            raise FitError(
                f"only {pairs} pairs of successive cycles{which}; drift and serial correlation need at least"
                f" {MIN_PAIRS}: record more cycles of a device, or fit a model of independent thresholds"
            )
