"""Gradient estimators, one a file."""

from charz.learning.estimators.backprop import backprop as backprop
from charz.learning.estimators.mean_variance import mean_variance as mean_variance

__all__ = ["backprop", "mean_variance"]
