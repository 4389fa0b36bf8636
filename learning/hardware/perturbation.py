"""Activity-based node perturbation of a physical network: two measured passes, one scalar, no look at the device."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, PRNGKeyArray
from numpy.typing import ArrayLike, NDArray

from charz.errors import HardwareError, TrainError
from charz.learning.decorrelation import Decorrelation, no_decorrelation
from charz.learning.estimators.activity_perturbation import Loss, PerturbationState
from charz.learning.hardware.black_box import checked
from charz.learning.network import Theta
from charz.learning.perturbation import Pass, smallest_change
from charz.learning.rule import Batch, GradientEstimator
from charz.learning.two_passes import learn_from_passes

# ``network(theta, decorrelations, x (batch, features)) -> (inputs, activities)``: one pass of the batch, with fresh
# noise. Of each layer, the inputs (batch, inputs) after decorrelation and the activities (batch, nodes) in V, with
# their noise, before the nonlinearity; the last activities are the logits.
MeasuredNetwork = Callable[
    [Theta, Sequence[Decorrelation] | None, NDArray[np.float32]],
    tuple[Sequence[ArrayLike], Sequence[ArrayLike]],
]


def measured_perturbation(
    network: MeasuredNetwork,
    decorrelation_rate: float | None = None,
    residual: float = 0.0,
    loss: Loss | None = None,
) -> GradientEstimator:
    """Estimator of `activity_perturbation` and `danp` for a network that is measured, not computed.

    Joined into a rule it runs step by step (`train_measured`), not in a compiled loop.

    Parameters
    ----------
    network : callable
        ``network(theta, decorrelations, x) -> (inputs, activities)``: programs the weights, sends the batch once and
        reads all nodes. It is called twice a step; noise must be independent between calls.
    decorrelation_rate : float, optional
        Of plain descent on R and d (DANP), dimensionless; None has neither (ANP), and `network` gets None for them.
    residual : float
        Standard deviation of a read while nothing switches, in V: samples whose two passes differ by no more than
        this explains are left out.
    loss : callable, optional
        ``loss(logits, labels) -> (batch,)``; softmax cross-entropy by default.

    Returns
    -------
    GradientEstimator
        Theta, state and ``info`` as of `danp`; ``deterministic`` is None: a physical network has no noise-free pass.

    Raises
    ------
    TrainError
        When the rate or the residual is negative.
    HardwareError
        By ``estimate`` and ``predict``, when the answer of `network` is not that of its layers.
    """
    if decorrelation_rate is not None and not decorrelation_rate >= 0:
        raise TrainError(
            f"decorrelation_rate is {decorrelation_rate}; it must be 0 or more: R descends on the correlations"
        )
    if not residual >= 0:
        raise TrainError(f"residual is {residual} V; a standard deviation is 0 or more")
    loss = loss or optax.softmax_cross_entropy_with_integer_labels

    def init(key: PRNGKeyArray, theta: Theta) -> PerturbationState:
        return PerturbationState((), None if decorrelation_rate is None else no_decorrelation(theta))

    def one_pass(theta: Theta, state: PerturbationState, x: Array) -> tuple[list[Array], list[Array]]:
        return read_network(network, theta, state.decorrelation, x)

    # What was read is digested in one compiled function: only reading itself has to happen step by step.
    @jax.jit
    def digest(
        inputs: list[list[Array]], activities: list[list[Array]], state: PerturbationState, y: Array
    ) -> tuple[Theta, PerturbationState, dict[str, Array]]:
        first, second = (Pass(x, a, loss(a[-1], y)) for x, a in zip(inputs, activities, strict=True))
        nodes = sum(activity.shape[-1] for activity in first.activities)
        smallest = smallest_change(jnp.asarray(residual), nodes)
        direction, decorrelation, info = learn_from_passes(
            first, second, state.decorrelation, decorrelation_rate, smallest
        )
        return direction, PerturbationState((), decorrelation), info

    def estimate(
        key: PRNGKeyArray, theta: Theta, state: PerturbationState, batch: Batch
    ) -> tuple[Theta, PerturbationState, dict[str, Array]]:
        first, second = (one_pass(theta, state, batch.x) for _ in range(2))
        return digest([first[0], second[0]], [first[1], second[1]], state, batch.y)

    def predict(key: PRNGKeyArray, theta: Theta, state: PerturbationState, x: Array) -> Array:
        return one_pass(theta, state, x)[1][-1]

    return GradientEstimator(init, estimate, predict)


def read_network(
    network: MeasuredNetwork, theta: Theta, decorrelations: Sequence[Decorrelation] | None, x: Array
) -> tuple[list[Array], list[Array]]:
    """Ask a network for one pass, and check that inputs and activities are those of its layers.

    Raises
    ------
    HardwareError
        For another number of layers, another shape, or values that are not finite.
    """
    inputs, activities = network(theta, decorrelations, np.asarray(x, np.float32))
    if len(inputs) != len(theta) or len(activities) != len(theta):
        raise HardwareError(
            f"the network returned inputs of {len(inputs)} and activities of {len(activities)} layers; it has "
            f"{len(theta)}, and the rule needs both of every layer"
        )
    batch = x.shape[0]

    def read(name: str, values: Sequence[ArrayLike], axis: int) -> list[Array]:
        answers = (
            checked(f"{name} of layer {index}", value, (batch, layer.weight.shape[axis]), f"samples × {name}")
            for index, (value, layer) in enumerate(zip(values, theta, strict=True))
        )
        return [jnp.asarray(answer, jnp.float32) for answer in answers]

    return read("inputs", inputs, 0), read("activities", activities, 1)
