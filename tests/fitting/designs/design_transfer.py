"""Small records of materials to simulate, and records that the models cannot describe."""

import numpy as np
import xarray as xr
from design_contract import Design, Wrong
from numpy.typing import ArrayLike
from scipy.special import erf

from charz.fitting.priors import Prior

NANO = 1e-9


def record_of(voltage: ArrayLike, current: ArrayLike, **attrs: str) -> xr.Dataset:
    """A transfer dataset: voltage (sample, electrode) in V, current (sample,) in A."""
    voltage = np.asarray(voltage, float)
    return xr.Dataset(
        {
            "voltage": (("sample", "electrode"), voltage, {"units": "V", "long_name": "control voltage"}),
            "current": ("sample", np.asarray(current, float), {"units": "A", "long_name": "output current"}),
        },
        coords={"electrode": np.arange(voltage.shape[1])},
        attrs={"experiment": "transfer", "source_file": "simulated"} | attrs,
    )


def box(samples: int, electrodes: int, seed: int = 0) -> np.ndarray:
    """Voltages spread at random over -1 to 1 V."""
    return np.random.default_rng(seed).uniform(-1, 1, (samples, electrodes))


def bent_current(generator: np.random.Generator, voltage: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """A random smooth response in A, some nanoamperes large: two layers of 30 units, none of them a member."""
    electrodes = voltage.shape[1]
    first = gain * generator.standard_normal((electrodes, 30))
    second = 1.5 / np.sqrt(30) * generator.standard_normal((30, 30))
    hidden = np.tanh(np.tanh(voltage @ first + generator.standard_normal(30)) @ second)
    return 4 * NANO / np.sqrt(30) * hidden @ generator.standard_normal(30)


def _placeholder(voltage: np.ndarray) -> xr.Dataset:
    return record_of(voltage, 5 * NANO * np.sin(voltage.sum(1) + 0.1))


def _priors(electrodes: int, *, bent: bool) -> dict[str, Prior]:
    priors = {"level": Prior("normal", (1 * NANO, 2 * NANO), "A")}
    priors |= {f"slope[{e}]": Prior("normal", (0.5 * NANO, 2 * NANO), "A/V") for e in range(electrodes)}
    priors["log_noise"] = Prior("normal", (np.log(0.5 * NANO), 0.5), "ln(A)")
    if not bent:
        return priors
    priors["log_amplitude"] = Prior("normal", (np.log(4 * NANO), 0.4), "ln(A)")
    return priors | {f"log_relevance[{e}]": Prior("normal", (0.2, 0.5), "ln(1/V)") for e in range(electrodes)}


DESIGNS = {
    "linear": Design(_placeholder(box(30, 4)), _priors(4, bent=False), pool="complete"),
    "surrogate": Design(_placeholder(box(40, 2)), _priors(2, bent=True), pool="complete"),
}


def _correlated(generator: np.random.Generator, number: int, coefficient: float) -> np.ndarray:
    """Stationary AR(1) noise of unit spread, in any order of the inputs."""
    noise = generator.standard_normal(number)
    result = np.empty(number)
    result[0] = noise[0]
    for index in range(1, number):
        result[index] = coefficient * result[index - 1] + np.sqrt(1 - coefficient**2) * noise[index]
    return result


def _wrong() -> list[Wrong]:
    generator = np.random.default_rng(4)
    voltage = box(150, 3, seed=1)
    plane = 3 * NANO * (voltage @ [1.0, -0.5, 0.3])
    smooth = plane + 3 * NANO * erf(2 * voltage[:, 0] - voltage[:, 1]) * np.cos(voltage[:, 2])
    normal = generator.standard_normal(150)
    heavy = generator.standard_t(1.8, 150)
    drifting = _correlated(generator, 150, 0.7)
    growing = normal * np.abs(smooth - smooth.mean()) / smooth.std()
    return [
        Wrong(
            "linear response of a curved device",
            record_of(voltage, smooth + 3 * NANO * voltage[:, 2] ** 2 + 0.2 * NANO * normal),
            "linear",
            ("nonlinearity",),
            better="surrogate",
        ),
        Wrong(
            "Gaussian noise on heavy tails",
            record_of(voltage, plane + 0.3 * NANO * heavy),
            "linear",
            ("tails", "largest residual"),
        ),
        Wrong(
            "independent noise where it is serially correlated",
            record_of(voltage, smooth + 0.5 * NANO * drifting),
            "surrogate",
            ("lag-1 correlation",),
        ),
        Wrong(
            "Gaussian noise on heavy tails, curved device",
            record_of(voltage, smooth + 0.3 * NANO * heavy),
            "surrogate",
            ("tails", "largest residual"),
        ),
        Wrong(
            "one noise level where it grows with the current",
            record_of(voltage, smooth + 0.5 * NANO * growing),
            "surrogate",
            ("dispersion",),
        ),
    ]


WRONG = _wrong()
