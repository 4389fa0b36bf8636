"""Outcomes that devices would have given at the same pulses, by NumPy alone: shares no formula with the likelihood."""

from collections.abc import Callable, Mapping

import numpy as np

from charz.fitting.contract import Observations

Values = Mapping[str, np.ndarray]
# (values (sample, device, 1), conductance (sample, device, cycle)) to the mean steps up and down, in S.
Steps = Callable[[Values, np.ndarray], tuple[np.ndarray, np.ndarray]]
Replicate = Callable[[np.random.Generator, Values, Observations], dict[str, np.ndarray]]


def soft_bounds_steps(values: Values, conductance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean steps up and down of soft bounds, in S."""
    share = (conductance - values["conductance_min"]) / values["window"]
    return values["step_potentiation"] * (1 - share), -values["step_depression"] * share


def exponential_steps(values: Values, conductance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean steps up and down of the exponential law, in S."""
    distance = conductance - values["symmetric_conductance"]
    up = np.exp(np.clip(-distance / values["decay_potentiation"], -30, 30))
    down = np.exp(np.clip(distance / values["decay_depression"], -30, 30))
    return values["symmetric_step"] * up, -values["symmetric_step"] * down


def linear_steps(values: Values, conductance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Constant mean steps, in S; no step leads below zero."""
    return (
        values["step_potentiation"] + 0 * conductance,
        -np.minimum(values["step_depression"], conductance),
    )


def trains(steps: Steps) -> Replicate:
    """Simulator of a law of the step: pulse after pulse, for all samples, devices and cycles at once.

    Reads that no read precedes are given: they come back as measured.
    """

    def replicate(
        generator: np.random.Generator, values: Values, observations: Observations
    ) -> dict[str, np.ndarray]:
        arrays = observations.arrays
        spread = {name: np.asarray(value)[..., None] for name, value in values.items()}
        sample_shape = np.asarray(values["additive_noise"]).shape
        noise = spread.get("read_noise", np.zeros((1, 1, 1)))
        full = (*sample_shape, *arrays["conductance"].shape[1:])
        reads = np.empty(full)
        true = np.ones(full[:-1])
        responds = _responds(generator, values, sample_shape)[..., None]
        # The recursion runs along the pulses; everything else is in the arrays.
        for pulse in range(full[-1]):
            now = {name: arrays[name][..., pulse] for name in ("start", "restarts", "stepped", "polarity")}
            begun = now["start"] * np.exp(-noise * generator.standard_normal(true.shape))
            true = np.where(now["restarts"] > 0, begun, true)
            up, down = steps(spread, true)
            step = np.where(now["polarity"] > 0, up, np.where(now["polarity"] < 0, down, 0)) * responds
            moved = np.abs(true + step + _noise(generator, spread, true, step))
            stepped = now["stepped"] > 0
            true = np.where(stepped, moved, true)
            read = true * np.exp(noise * generator.standard_normal(true.shape))
            reads[..., pulse] = np.where(stepped, read, arrays["conductance"][..., pulse])
        return {"conductance": reads}

    return replicate


def _responds(generator: np.random.Generator, values: Values, shape: tuple[int, ...]) -> np.ndarray:
    if "stuck_fraction" not in values:
        return np.ones(shape)
    return (generator.random(shape) >= values["stuck_fraction"]).astype(float)


def _noise(
    generator: np.random.Generator, values: Values, conductance: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Noise of one step, in S: normal, or Student's t as a normal over the root of a chi-square."""
    relative = values.get("cycle_noise", np.zeros((1, 1, 1)))
    scale = np.hypot(np.hypot(relative * step, values["additive_noise"]), 1e-10 * conductance)
    normal = generator.standard_normal(step.shape)
    if "degrees_of_freedom" in values:
        nu = np.broadcast_to(values["degrees_of_freedom"], step.shape)
        normal = normal / np.sqrt(generator.chisquare(nu) / nu)
    return scale * normal


def power_law(
    generator: np.random.Generator, values: Values, observations: Observations
) -> dict[str, np.ndarray]:
    """Conductances around a power of the pulse number; a record of one polarity has one law."""
    spread = {name: np.asarray(value)[..., None, None] for name, value in values.items()}
    up, number = observations.arrays["polarity"] > 0, observations.arrays["number"]
    tenth, slope = (
        spread[name]
        if name in spread
        else np.where(up, spread[f"{name}_potentiation"], spread[f"{name}_depression"])
        for name in ("tenth", "slope")
    )
    median = tenth * (number / 10) ** slope
    return {"conductance": median * _exp(spread["noise"] * generator.standard_normal(median.shape))}


def states(
    generator: np.random.Generator, values: Values, observations: Observations
) -> dict[str, np.ndarray]:
    """Alternating states, cycle after cycle, with what they remember of the cycle before."""
    arrays = observations.arrays
    spread = {name: np.asarray(value)[..., None, None] for name, value in values.items()}
    zero = np.zeros((1, 1, 1, 1))
    up, time = arrays["polarity"] > 0, arrays["time"]

    def by_state(name: str) -> np.ndarray:
        return np.where(up, spread.get(f"{name}_set", zero), spread.get(f"{name}_reset", zero))

    phi, sd = by_state("correlation"), by_state("noise")
    fresh = generator.standard_normal(sd.shape)
    deviation = np.empty(sd.shape)
    phi = np.broadcast_to(phi * arrays["follows"], sd.shape)
    for cycle in range(sd.shape[2]):
        before = deviation[:, :, max(cycle - 1, 0)] if cycle else np.zeros_like(fresh[:, :, 0])
        now = phi[:, :, cycle]
        deviation[:, :, cycle] = now * before + np.sqrt(1 - now**2) * fresh[:, :, cycle]
    median = np.log(by_state("conductance")) + by_state("drift") * time
    return {"conductance": _exp(median + sd * deviation)}


def _exp(value: np.ndarray) -> np.ndarray:
    """Exponential that stays finite and above zero, as the widest draws from a prior need it."""
    return np.exp(np.clip(value, -600.0, 600.0))
