"""Learning from the noise of the nodes: DANP on tunnel junctions, and the two rules it grew out of."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import optax
from jaxtyping import PyTree

from charz.devices.node_noise import NodeNoise
from charz.errors import TrainError
from charz.learning.cost import Count
from charz.learning.estimators import activity_perturbation, danp, node_perturbation
from charz.learning.inference import Inference
from charz.learning.noisy_network import uniform_start
from charz.learning.rule import GradientEstimator, UpdateRule, join
from charz.learning.schemes.contract import DenseScheme, DeviceRole, check_rate, decaying
from charz.learning.writes import ideal


@dataclass(frozen=True)
class _Perturbation(DenseScheme):
    """What the three have in common: noise at every node, Adam with a rate that decays, ideal writes.

    Parameters
    ----------
    sizes : tuple of int
        Neurons a layer, inputs first; all but the inputs are noisy, one device each.
    learning_rate : float
        Of Adam (β 0.9 / 0.999), at the start.
    final_rate : float
        Share of it that is left at the last step; the rate falls exponentially. 1 keeps it.
    """

    devices: ClassVar[DeviceRole | None] = "noise"
    inputs: ClassVar[str] = "standardised"

    learning_rate: float = 5e-4
    final_rate: float = 0.03

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rate(self.learning_rate, self.final_rate)

    @property
    def num_devices(self) -> int:
        """One a node of the hidden and output layers."""
        return sum(self.sizes[1:])

    def hardware(self, actual: NodeNoise, believed: PyTree) -> NodeNoise:
        """The noise that is there; nothing is believed of it, for it is never looked at."""
        return actual

    def inference_count(self, inference: Inference) -> Count:
        """One read of the junction at every node, each pass; the weights are numbers, and what they cost is open."""
        passes = {"single-shot": 1, "votes": inference.votes, "deterministic": 0}[inference.mode]
        return Count(reads=float(passes * self.num_devices))

    @abstractmethod
    def estimator(self, noise: NodeNoise) -> GradientEstimator:
        """How the direction is found."""

    def rule(self, hardware: NodeNoise | None, num_steps: int = 1) -> UpdateRule:
        """Perturbation estimator × Adam with decaying rate × ideal write.

        Raises
        ------
        TrainError
            Without a source of noise.
        """
        if hardware is None:
            raise TrainError(
                f"scheme {self.name!r} needs devices: the noise of its nodes comes from them; give a posterior of"
                " telegraph data (--device)"
            )
        rate = decaying(self.learning_rate, self.final_rate, num_steps)
        return join(
            self.estimator(hardware), optax.adam(rate), ideal(), lambda key: uniform_start(key, self.sizes)
        )


@dataclass(frozen=True)
class Danp(_Perturbation):
    """Decorrelated activity-based node perturbation: two noisy passes, one scalar, no derivative.

    Parameters
    ----------
    sizes, learning_rate, final_rate
        As of every perturbation scheme: neurons a layer; Adam's rate at the start, and the share of it at the end.
    decorrelation_rate : float
        Rate of the plain descent that decorrelates the inputs of each layer, dimensionless.
    """

    name: ClassVar[str] = "danp"
    source: ClassVar[str] = "Koenders et al., Phys. Rev. Applied 23, 054035 (2025)"

    decorrelation_rate: float = 1e-5

    def estimator(self, noise: NodeNoise) -> GradientEstimator:
        """Of Koenders et al. 2025, (K2) and (K3)."""
        return danp(noise, self.decorrelation_rate)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.decorrelation_rate >= 0:
            raise TrainError(
                f"decorrelation_rate is {self.decorrelation_rate}; it must be 0 or more: inputs are to lose their"
                " correlations"
            )


@dataclass(frozen=True)
class ActivityPerturbation(_Perturbation):
    """DANP without decorrelation (ANP).

    Parameters
    ----------
    sizes, learning_rate, final_rate
        As of `Danp`.
    """

    name: ClassVar[str] = "activity-perturbation"
    source: ClassVar[str] = "Dalm et al., arXiv:2310.00965"

    def estimator(self, noise: NodeNoise) -> GradientEstimator:
        """Two noisy passes, inputs as they are."""
        return activity_perturbation(noise)


@dataclass(frozen=True)
class NodePerturbation(_Perturbation):
    """Clean and noisy pass, with the noise known: a yardstick that only a simulation can have.

    Parameters
    ----------
    sizes, learning_rate, final_rate
        As of `Danp`.
    """

    name: ClassVar[str] = "node-perturbation"
    source: ClassVar[str] = "Dalm et al., arXiv:2310.00965 (simulation only: reads the noise)"

    def estimator(self, noise: NodeNoise) -> GradientEstimator:
        """Loss change times the noise that made it."""
        return node_perturbation(noise)
