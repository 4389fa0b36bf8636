"""Bayesian fits of device laws: `fit` a dataset, get a `Posterior`, check it, compare it."""

from charz.fitting.models import MODELS as MODELS
from charz.fitting.posterior import Posterior as Posterior
from charz.fitting.posterior import load_posterior as load_posterior
from charz.fitting.priors import Prior as Prior
from charz.fitting.run import default_pool as default_pool
from charz.fitting.run import fit as fit

__all__ = ["MODELS", "Posterior", "Prior", "default_pool", "fit", "load_posterior"]
