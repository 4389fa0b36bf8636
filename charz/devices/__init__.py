"""Laws and devices: pure, differentiable, shared by likelihood and simulator."""

from charz.devices.directions import TwoDirections as TwoDirections
from charz.devices.domain_wall import DomainWallSynapses as DomainWallSynapses
from charz.devices.domain_wall import mean_wire as mean_wire
from charz.devices.in_plane import InPlaneBallistic as InPlaneBallistic
from charz.devices.law import AbstractSwitchingLaw as AbstractSwitchingLaw
from charz.devices.logistic import LogisticSwitching as LogisticSwitching
from charz.devices.macrospin import MacrospinSwitching as MacrospinSwitching
from charz.devices.probit import ProbitSwitching as ProbitSwitching
from charz.devices.reads import sample_counts as sample_counts
from charz.devices.thermal import ThermalActivation as ThermalActivation

__all__ = [
    "AbstractSwitchingLaw",
    "DomainWallSynapses",
    "InPlaneBallistic",
    "LogisticSwitching",
    "MacrospinSwitching",
    "ProbitSwitching",
    "ThermalActivation",
    "TwoDirections",
    "mean_wire",
    "sample_counts",
]
