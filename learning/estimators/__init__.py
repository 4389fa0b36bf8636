"""Gradient estimators, one a file."""

from charz.learning.estimators.activity_perturbation import activity_perturbation as activity_perturbation
from charz.learning.estimators.activity_perturbation import danp as danp
from charz.learning.estimators.autodiff import autodiff as autodiff
from charz.learning.estimators.binary_stochastic import binary_stochastic as binary_stochastic
from charz.learning.estimators.homodyne import homodyne as homodyne
from charz.learning.estimators.mean_variance import mean_variance as mean_variance
from charz.learning.estimators.node_perturbation import node_perturbation as node_perturbation

__all__ = [
    "activity_perturbation",
    "autodiff",
    "binary_stochastic",
    "danp",
    "homodyne",
    "mean_variance",
    "node_perturbation",
]
