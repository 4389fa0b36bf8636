"""The table of learning schemes."""

from charz.errors import TrainError
from charz.learning.schemes.backprop import Backprop
from charz.learning.schemes.binary_stochastic import BinaryStochastic
from charz.learning.schemes.contract import Scheme
from charz.learning.schemes.homodyne import NAME as HOMODYNE
from charz.learning.schemes.junction_pairs import GxnorMtj
from charz.learning.schemes.mean_variance import MeanVariance
from charz.learning.schemes.perturbation import ActivityPerturbation, Danp, NodePerturbation
from charz.learning.schemes.quantized import Gxnor, StraightThrough

SCHEMES: dict[str, type[Scheme]] = {
    scheme.name: scheme
    for scheme in (
        MeanVariance,
        Danp,
        ActivityPerturbation,
        NodePerturbation,
        BinaryStochastic,
        Gxnor,
        GxnorMtj,
        StraightThrough,
        Backprop,
    )
}


def find_scheme(name: str) -> type[Scheme]:
    """The scheme of that name.

    Raises
    ------
    TrainError
        For an unknown name.
    """
    if name not in SCHEMES:
        raise TrainError(f"scheme {name!r} is not known; choose one of {', '.join((*SCHEMES, HOMODYNE))}")
    return SCHEMES[name]
