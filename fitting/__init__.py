"""Bayesian fits of device laws: `fit` a dataset, get a `Posterior`, check it, compare it."""

from charz.fitting.checks import check as check
from charz.fitting.comparison import compare as compare
from charz.fitting.comparison import loo as loo
from charz.fitting.posterior import Posterior as Posterior
from charz.fitting.posterior import load_posterior as load_posterior
from charz.fitting.prior_table import priors_for as priors_for
from charz.fitting.priors import Prior as Prior
from charz.fitting.pulse.curves import switching_curves as switching_curves
from charz.fitting.registry import FAMILIES as FAMILIES
from charz.fitting.registry import MODELS as MODELS
from charz.fitting.registry import suitable_models as suitable_models
from charz.fitting.run import default_pool as default_pool
from charz.fitting.run import fit as fit

__all__ = [
    "FAMILIES",
    "MODELS",
    "Posterior",
    "Prior",
    "check",
    "compare",
    "default_pool",
    "fit",
    "load_posterior",
    "loo",
    "priors_for",
    "suitable_models",
    "switching_curves",
]
