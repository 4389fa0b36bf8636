"""Learning schemes, one a file: gradient estimator × optimizer × write scheme, with every choice made."""

from charz.learning.schemes.backprop import Backprop as Backprop
from charz.learning.schemes.binary_stochastic import BinaryStochastic as BinaryStochastic
from charz.learning.schemes.contract import DenseScheme as DenseScheme
from charz.learning.schemes.contract import LayeredScheme as LayeredScheme
from charz.learning.schemes.contract import Scheme as Scheme
from charz.learning.schemes.junction_pairs import GxnorMtj as GxnorMtj
from charz.learning.schemes.mean_variance import MEAN_FIELD as MEAN_FIELD
from charz.learning.schemes.mean_variance import MeanVariance as MeanVariance
from charz.learning.schemes.perturbation import ActivityPerturbation as ActivityPerturbation
from charz.learning.schemes.perturbation import Danp as Danp
from charz.learning.schemes.perturbation import NodePerturbation as NodePerturbation
from charz.learning.schemes.quantized import Gxnor as Gxnor
from charz.learning.schemes.quantized import QuantizedScheme as QuantizedScheme
from charz.learning.schemes.quantized import StraightThrough as StraightThrough
from charz.learning.schemes.registry import SCHEMES as SCHEMES
from charz.learning.schemes.registry import find_scheme as find_scheme

__all__ = [
    "MEAN_FIELD",
    "SCHEMES",
    "ActivityPerturbation",
    "Backprop",
    "BinaryStochastic",
    "Danp",
    "DenseScheme",
    "Gxnor",
    "GxnorMtj",
    "LayeredScheme",
    "MeanVariance",
    "NodePerturbation",
    "QuantizedScheme",
    "Scheme",
    "StraightThrough",
    "find_scheme",
]
