"""Laws and devices: pure, differentiable, shared by likelihood and simulator."""

from charz.devices.directions import TwoDirections as TwoDirections
from charz.devices.domain_wall import DomainWallSynapses as DomainWallSynapses
from charz.devices.domain_wall import mean_wire as mean_wire
from charz.devices.example_memristor import example_memristor as example_memristor
from charz.devices.example_memristor import example_memristors as example_memristors
from charz.devices.in_plane import InPlaneBallistic as InPlaneBallistic
from charz.devices.law import AbstractSwitchingLaw as AbstractSwitchingLaw
from charz.devices.logistic import LogisticSwitching as LogisticSwitching
from charz.devices.macrospin import MacrospinSwitching as MacrospinSwitching
from charz.devices.material import MaterialSurrogate as MaterialSurrogate
from charz.devices.material import synthetic_material as synthetic_material
from charz.devices.material_record import RecordedMaterial as RecordedMaterial
from charz.devices.memristor import ExponentialMemristor as ExponentialMemristor
from charz.devices.memristor import LinearMemristor as LinearMemristor
from charz.devices.memristor import SoftBoundsMemristor as SoftBoundsMemristor
from charz.devices.node_noise import BernoulliNoise as BernoulliNoise
from charz.devices.node_noise import GaussianNoise as GaussianNoise
from charz.devices.node_noise import NodeNoise as NodeNoise
from charz.devices.probit import ProbitSwitching as ProbitSwitching
from charz.devices.pulse_response import PowerLawResponse as PowerLawResponse
from charz.devices.pulse_response import TwoLevelMemristor as TwoLevelMemristor
from charz.devices.reads import sample_counts as sample_counts
from charz.devices.recorded_noise import RecordedNoise as RecordedNoise
from charz.devices.retention import LogDrift as LogDrift
from charz.devices.retention import NoDrift as NoDrift
from charz.devices.retention import Retention as Retention
from charz.devices.retention import StretchedExponential as StretchedExponential
from charz.devices.telegraph import ArrheniusTelegraph as ArrheniusTelegraph
from charz.devices.telegraph import DrivenTelegraph as DrivenTelegraph
from charz.devices.telegraph import TelegraphJunction as TelegraphJunction
from charz.devices.telegraph_levels import ThreeLevelTelegraph as ThreeLevelTelegraph
from charz.devices.thermal import ThermalActivation as ThermalActivation
from charz.devices.threshold_mixture import WeibullMixtureThreshold as WeibullMixtureThreshold
from charz.devices.threshold_ramp import ThermalBarrier as ThermalBarrier
from charz.devices.threshold_ramp import ThermalRamp as ThermalRamp
from charz.devices.threshold_series import SerialThreshold as SerialThreshold
from charz.devices.thresholds import GumbelThreshold as GumbelThreshold
from charz.devices.thresholds import LognormalThreshold as LognormalThreshold
from charz.devices.thresholds import WeibullThreshold as WeibullThreshold
from charz.devices.tunnel_junction import JunctionNoise as JunctionNoise
from charz.devices.tunnel_junction import junction_noise as junction_noise
from charz.devices.tunnel_junction import published_junction as published_junction

__all__ = [
    "AbstractSwitchingLaw",
    "ArrheniusTelegraph",
    "BernoulliNoise",
    "DomainWallSynapses",
    "DrivenTelegraph",
    "ExponentialMemristor",
    "GaussianNoise",
    "GumbelThreshold",
    "InPlaneBallistic",
    "JunctionNoise",
    "LinearMemristor",
    "LogDrift",
    "LogisticSwitching",
    "LognormalThreshold",
    "MacrospinSwitching",
    "MaterialSurrogate",
    "NoDrift",
    "NodeNoise",
    "PowerLawResponse",
    "ProbitSwitching",
    "RecordedMaterial",
    "RecordedNoise",
    "Retention",
    "SerialThreshold",
    "SoftBoundsMemristor",
    "StretchedExponential",
    "TelegraphJunction",
    "ThermalActivation",
    "ThermalBarrier",
    "ThermalRamp",
    "ThreeLevelTelegraph",
    "TwoDirections",
    "TwoLevelMemristor",
    "WeibullMixtureThreshold",
    "WeibullThreshold",
    "example_memristor",
    "example_memristors",
    "junction_noise",
    "mean_wire",
    "published_junction",
    "sample_counts",
    "synthetic_material",
]
