"""The pulse width that all settings of a measurement share belongs to the devices it was measured on."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from charz.devices.directions import TwoDirections
from charz.devices.law import AbstractPulsedLaw
from charz.fitting.contract import Observations


def with_common_width(devices: Any, observations: Observations) -> Any:
    """Set the pulse width (s) of devices whose law needs one, if the measurement knows only one.

    After a measurement at several widths it stays NaN, and every probability with it, until ``for_width`` says
    which one is meant.
    """
    if "width" not in observations.arrays:
        return devices
    width = np.asarray(observations.arrays["width"])[observations.measured]
    if np.ptp(width) > 1e-6 * width.max():
        return devices
    if isinstance(devices, TwoDirections):
        return TwoDirections(_of_width(devices.set, width[0]), _of_width(devices.reset, width[0]))
    return _of_width(devices, width[0])


def _of_width(law: Any, width: float) -> Any:
    return law.for_width(jnp.full_like(law.width, width)) if isinstance(law, AbstractPulsedLaw) else law
