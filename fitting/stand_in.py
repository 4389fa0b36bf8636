r"""A short record that stands in for a long one: its log likelihood is that of the long one, near an anchor.

What a part of a record cannot tell about the whole is linear near the mode: the long record is passed once for the
exact value and the exact gradient at an anchor, and only what is of second order and beyond is taken from the part,

.. math:: \ell(\psi) \approx \ell(\psi_0) + G \cdot (\psi - \psi_0)
          + \frac{n}{m} \sum_s \left[\ell_s(\psi) - \ell_s(\psi_0) - g_s \cdot (\psi - \psi_0)\right],

a difference estimator (Quiroz, Kohn, Villani & Tran, J. Am. Stat. Assoc. 114, 831 (2019)) over segments s that hold m
of n outcomes. The scatter of the terms over the segments gives its standard error, for every :math:`\psi` by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from charz.fitting.contract import Observations, Values

# Standard error of log weights, in nats, up to which a stand-in is taken for the whole record.
LARGEST_ERROR = 0.2
# Share of the proposals whose errors are within it.
JUDGED_AT = 0.95


@dataclass(frozen=True)
class StandIn(Observations):
    """A part of the observations whose log likelihood, by the model as it is, stands in for that of the whole.

    Parameters
    ----------
    anchored : callable
        ``values -> StandIn`` about an anchor, from natural values (device,): one exact pass over the whole. Before
        the first anchor the part stands in by its share alone.
    number : int
        Outcomes of the whole.
    only : bool
        Whether the whole is not in memory, so that nothing but the part can be evaluated.
    """

    anchored: Callable[[Values], "StandIn"] = field(kw_only=True)
    number: int = field(kw_only=True)
    only: bool = field(kw_only=True, default=False)


def describe(stand_in: StandIn, error: float) -> str:
    """Say with what error, in nats, a stand-in was taken for the whole, for the remarks of a fit."""
    return (
        f"log weights from the exact gradient over {stand_in.number} samples and from {stand_in.measured.size} of them"
        f" for what is beyond it: standard error {error:.2g} nats (limit {LARGEST_ERROR:g})"
    )


def standard_error(terms: np.ndarray, at_mode: np.ndarray) -> np.ndarray:
    r"""Standard error of a stand-in's log likelihood relative to that at the mode, in nats, (proposal, device).

    .. math:: \sqrt{S \operatorname{var}_s(\ell_s(\eta) - \ell_s(\hat\eta))}

    Parameters
    ----------
    terms : array (proposal, device, segment)
    at_mode : array (device, segment)
    """
    return np.sqrt(terms.shape[-1] * (terms - at_mode).var(-1, ddof=1))
