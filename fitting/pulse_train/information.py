"""Whether pulse trains can answer what a model asks, and if not, why not and what would mend it."""

import numpy as np

from charz.errors import FitError
from charz.fitting.contract import Model, Observations
from charz.fitting.pulse_train.models import POWER_LAW, SERIAL, SINGLE_POWER_LAW, STEP_MODELS
from charz.fitting.pulse_train.observations import NAMES, conductance_before

MIN_STEPS = 5  # of either polarity: two constants of its mean, and the noise
MIN_NUMBERS = 3
MIN_CYCLES = 3
MIN_SERIAL_CYCLES = 10


def require_information(observations: Observations, model: Model, pool: str) -> None:
    """Refuse data that cannot answer.

    Raises
    ------
    FitError
        A polarity that was never applied, or (for a single power law) two of them; too few steps, pulse numbers
        or cycles; reads that never change; several pulses of one polarity in a cycle of alternating states.
    """
    for name, rows in _groups(observations, pool):
        _require_change(observations, rows, name)
        if model in STEP_MODELS:
            _require_steps(observations, rows, name, model)
        elif model is SINGLE_POWER_LAW:
            _require_one_polarity(observations, rows)
            _require_numbers(observations, rows, name, model)
        elif model is POWER_LAW:
            _require_both(observations, rows, name, model)
            _require_numbers(observations, rows, name, model)
        else:
            _require_both(observations, rows, name, model)
            _require_states(observations, rows, name, model)


def _groups(observations: Observations, pool: str) -> list[tuple[str, np.ndarray]]:
    """What must answer by itself: every device without pooling, else all together; masks (device, cycle, pulse)."""
    if pool != "none":
        return [("the dataset", observations.measured)]
    shape = observations.measured.shape
    index = np.broadcast_to(np.arange(shape[0])[:, None, None], shape)
    return [
        (f"device {name!r}", observations.measured & (index == place))
        for place, name in enumerate(observations.devices)
    ]


def _require_change(observations: Observations, rows: np.ndarray, name: str) -> None:
    reads = observations.arrays["conductance"][rows]
    if reads.size < 2 or np.ptp(reads) == 0:
        value = f"{reads[0]:.4g} S" if reads.size else "nothing"
        raise FitError(
            f"{name} holds {reads.size} conductances after pulses, all {value}: without a change there is no step or"
            " spread to learn; apply pulses that move the conductance, or read with more digits"
        )


def _counts(observations: Observations, rows: np.ndarray) -> dict[int, int]:
    return {sign: int((rows & (observations.arrays["polarity"] == sign)).sum()) for sign in NAMES}


def _require_both(observations: Observations, rows: np.ndarray, name: str, model: Model) -> None:
    for sign, count in _counts(observations, rows).items():
        if count == 0:
            raise FitError(
                f"{name} holds no {NAMES[sign]} pulse, so the parameters of {NAMES[sign]} in model {model.name!r} would"
                " only repeat the prior; measure both polarities, or fit 'power-law-single' to one"
            )


def _require_steps(observations: Observations, rows: np.ndarray, name: str, model: Model) -> None:
    _require_both(observations, rows, name, model)
    arrays = observations.arrays
    stepped = rows & (arrays["stepped"] > 0)
    for sign, count in _counts(observations, stepped).items():
        if count < MIN_STEPS:
            raise FitError(
                f"{name} holds {count} {NAMES[sign]} steps with a read before and after the pulse; the size of a step,"
                f" how it depends on the conductance and its noise need at least {MIN_STEPS}: read after every pulse,"
                " or give conductance_before"
            )
    change = arrays["conductance"] - conductance_before(np.asarray(arrays["conductance"]), arrays)
    if np.all(change[stepped] == 0):
        raise FitError(
            f"no pulse changes the conductance in {name} ({int(stepped.sum())} steps of exactly 0 S): there is no step"
            " law to learn from a device that does not respond; leave it out or raise the amplitude"
        )


def _require_one_polarity(observations: Observations, rows: np.ndarray) -> None:
    counts = _counts(observations, rows)
    if min(counts.values()) > 0:
        raise FitError(
            f"there are {counts[1]} potentiation and {counts[-1]} depression pulses; one power law through both would"
            " be the law of neither train: fit 'power-law', or select the cycles of one polarity"
        )


def _require_numbers(observations: Observations, rows: np.ndarray, name: str, model: Model) -> None:
    for sign, word in NAMES.items():
        mine = rows & (observations.arrays["polarity"] == sign)
        found = len(np.unique(observations.arrays["number"][mine]))
        if mine.any() and found < MIN_NUMBERS:
            raise FitError(
                f"{name} holds {found} different pulse numbers of {word}; the power and its scatter in model"
                f" {model.name!r} need at least {MIN_NUMBERS}: apply longer runs of one polarity"
            )


def _require_states(observations: Observations, rows: np.ndarray, name: str, model: Model) -> None:
    for sign, word in NAMES.items():
        mine = rows & (observations.arrays["polarity"] == sign)
        most = int(mine.sum(2).max())
        if most > 1:
            raise FitError(
                f"{name} holds {most} {word} pulses in one cycle; model {model.name!r} describes one SET and one RESET"
                f" state a cycle: fit a law of the step to trains, such as {STEP_MODELS[0].name!r}"
            )
        cycles, least = _longest(mine), MIN_SERIAL_CYCLES if model is SERIAL else MIN_CYCLES
        if cycles < least:
            raise FitError(
                f"{name} holds at most {cycles} states after {word} of one device; their spread over cycles"
                f"{', memory and drift need' if model is SERIAL else ' needs'} at least {least}: record more cycles"
            )


def _longest(mask: np.ndarray) -> int:
    """Most states of one device."""
    return int(mask.sum((1, 2)).max())
