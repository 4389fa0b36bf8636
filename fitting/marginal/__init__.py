"""Marginal fits: populations of devices with every device integrated out, for wafers of thousands of them."""

from charz.fitting.marginal.integrate import Refused as Refused
from charz.fitting.marginal.integrate import integrable as integrable
from charz.fitting.marginal.integrate import integrate as integrate

__all__ = ["Refused", "integrable", "integrate"]
