"""Binary stochastic learning on memristors, or on ideal weights of fixed step (Li et al. 2023)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, PRNGKeyArray

from charz.devices.memristor import AbstractMemristor
from charz.devices.random_words import normal
from charz.errors import TrainError
from charz.learning.binary_pass import Derivative, Errors
from charz.learning.cost import Count, inference_count
from charz.learning.estimators.binary_stochastic import Inputs, binary_stochastic
from charz.learning.inference import Inference
from charz.learning.memristor_weights import ArrayDevices, Coding, Memristors, lay_out_stored
from charz.learning.network import Layer, Theta, layer_shapes
from charz.learning.online import Choices, Stores, online_step
from charz.learning.rule import Batch, RuleState, UpdateRule, WriteScheme, join
from charz.learning.schemes.contract import DenseScheme, DeviceRole, check_rate, decaying
from charz.learning.writes.fixed_step import fixed_step
from charz.learning.writes.ideal import ideal
from charz.learning.writes.rows import ideal_rows, memristor_rows
from charz.learning.writes.stepwise import Conductances, carry_all, stepwise

Step = Callable[[PRNGKeyArray, RuleState, Batch], tuple[RuleState, dict[str, Array]]]


@dataclass(frozen=True)
class BinaryStochastic(DenseScheme):
    """Binary signals, derivatives and errors; every coincidence of error and signal is one pulse.

    Without devices weights are ideal: each pulse moves one by exactly a step, up to the weight limit. With devices
    the conductances of memristors are the weights, biases too, and their window is the limit. All defaults are our
    choice (li2023.md, section 3): the abstract gives no numbers.

    Parameters
    ----------
    sizes : tuple of int
        Neurons a layer, inputs first.
    learning_rate : float
        η: change of a weight by one pulse, the step of an ideal weight; of a memristor at its symmetry point.
    final_rate : float
        Share of η that is left at the last step, falling exponentially. Hardware has one step: on devices pulses are
        gated, made with that probability. 1 keeps it.
    derivative : {"times-four", "plain"}
        Bern(4p(1-p)), or two comparisons with mean p(1-p), which with depth learns 4 times slower a layer.
    errors : {"signed", "linear"}
        Whether hidden errors are reduced to their signs.
    input_signals : {"analog", "binary"}
        Whether the first layer is driven by the inputs themselves, in [0, 1], or by their binarization.
    weight_limit : float
        w_max of ideal weights; for devices with an open window, how far down the reference leaves room.
    temperature : float
        Width of the comparators' noise, T, in units of the weighted sum.
    differential : bool
        Pairs of devices, g⁺ - g⁻, in place of one against a reference.
    carry_digits, carry_base : int
        K and B of a weight in K digits; 1 digit has no carry.
    carry_period : int
        Updates N_c in which every weight is carried once.
    max_pulses : int
        Pulses of a weight in one update, at most; above 1 only batches need them.
    """

    name: ClassVar[str] = "binary-stochastic"
    source: ClassVar[str] = (
        "Li et al., Adv. Intell. Syst. (2023), arXiv:2304.12866: the three statements of the abstract, in our own form"
    )
    devices: ClassVar[DeviceRole | None] = "memristor"
    needs_devices: ClassVar[bool] = False
    one_by_one: ClassVar[bool] = True
    inputs: ClassVar[str] = "gray"

    learning_rate: float = 0.02
    final_rate: float = 1.0
    derivative: Derivative = "times-four"
    errors: Errors = "signed"
    input_signals: Inputs = "analog"
    weight_limit: float = 8.0
    temperature: float = 1.0
    differential: bool = False
    carry_digits: int = 2
    carry_base: int = 4
    carry_period: int = 100
    max_pulses: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rate(self.learning_rate, self.final_rate)
        for name, value, choices in (
            ("derivative", self.derivative, ("times-four", "plain")),
            ("errors", self.errors, ("signed", "linear")),
            ("input_signals", self.input_signals, ("analog", "binary")),
        ):
            if value not in choices:
                raise TrainError(f"{name} {value!r} is not known; choose one of {', '.join(choices)}")
        for name in ("weight_limit", "temperature", "carry_period", "max_pulses"):
            if not getattr(self, name) > 0:
                raise TrainError(f"{name} is {getattr(self, name)}; it must be positive")
        _ = self.coding

    @property
    def coding(self) -> Coding:
        """How conductances make a weight."""
        wires = 2 if self.differential else 1
        return Coding(self.learning_rate, wires, self.carry_digits, self.carry_base, self.weight_limit)

    @property
    def num_devices(self) -> int:
        """A device for every wire and digit of every weight and bias."""
        weights = sum((inputs + 1) * outputs for _, inputs, outputs in layer_shapes(self.sizes, 1))
        return weights * self.coding.devices

    def inference_count(self, inference: Inference) -> Count:
        """Single bits on lines and comparators, a pass a vote; without noise, converters.

        Analog inputs of the first layer are converted once a sample, in training at each pass. Every line is taken
        to be on, which is the most that a pass can cost.
        """
        passes = inference.votes if inference.mode == "votes" else 1
        binary = inference.mode != "deterministic"
        return inference_count(
            self.architecture,
            passes=passes,
            binary=binary,
            devices=self.coding.devices,
            analog_inputs=self.input_signals == "analog",
        )

    def training_count(self, counts: Mapping[str, float]) -> Count:
        """As of every scheme; a read of a weight reads all its devices."""
        count = super().training_count({**counts, "reads": self.coding.devices * counts.get("reads", 0.0)})
        return count._replace(comparators=float(counts.get("comparisons", 0.0)))

    def hardware(self, actual: AbstractMemristor, believed: AbstractMemristor) -> Memristors:
        """Memristors that are `actual` and are thought to be `believed`."""
        return Memristors(actual, believed)

    def rule(self, hardware: Memristors | None, num_steps: int = 1) -> UpdateRule:
        """Binary stochastic estimator × steps of one size × pulses."""
        estimator = binary_stochastic(self.derivative, self.errors, self.input_signals, self.temperature)
        decays = self.final_rate < 1
        rate = decaying(self.learning_rate, self.final_rate, num_steps) if decays else self.learning_rate
        joined = join(estimator, optax.sgd(rate), self.write(hardware), lambda key: start_of(key, self.sizes))
        online = self._online(hardware)

        def step(key: PRNGKeyArray, state: RuleState, batch: Batch) -> tuple[RuleState, dict[str, Array]]:
            return (online if len(batch.y) == 1 and self._whole else joined.step)(key, state, batch)

        return joined._replace(step=step)

    @property
    def _whole(self) -> bool:
        """Whether every wanted change is a whole number of steps: not if errors are real, or the rate decays."""
        return self.errors == "signed" and self.final_rate == 1

    def _online(self, hardware: Memristors | None) -> Step:
        """A step with one sample, which does in less time what the joined parts do."""
        choices = Choices(self.derivative, self.input_signals, self.temperature)
        if hardware is None:
            ideal_store = ideal_rows(self.learning_rate, self.weight_limit)
            stores = [Stores(ideal_store, ideal_store)] * (len(self.sizes) - 1)
        else:
            laid_out = self._laid_out(hardware)
            rows = [memristor_rows(mine, self.coding) for mine in laid_out if mine is not None]
            stores = list(map(Stores, rows[::2], rows[1::2]))

        def step(key: PRNGKeyArray, state: RuleState, batch: Batch) -> tuple[RuleState, dict[str, Array]]:
            if hardware is None:
                # Ideal pulses draw nothing: one key will do.
                moved, info = online_step(key, key, stores, state.weights, batch, choices)
                return state._replace(weights=tuple(Layer(*both) for both in moved)), info
            key_estimate, key_train, key_carry = jax.random.split(key, 3)
            arrays = state.weights.arrays
            pairs = list(zip(arrays[::2], arrays[1::2], strict=True))
            moved, info = online_step(key_estimate, key_train, stores, pairs, batch, choices)
            trained = Conductances(tuple(array for both in moved for array in both), state.weights.updates)
            weights, carried = carry_all(key_carry, trained, laid_out, self.coding, self._period)
            return state._replace(weights=weights), {**info, "carry_pulses": carried}

        return step

    def _laid_out(self, hardware: Memristors) -> list[ArrayDevices | None]:
        return lay_out_stored(hardware, shapes_of(self.sizes), self.coding, _everything)

    @property
    def _period(self) -> int | None:
        return self.carry_period if self.carry_digits > 1 else None

    def write(self, hardware: Memristors | None) -> WriteScheme:
        """Pulses on devices; or, without any, steps of exactly η, of a share of it while the rate decays."""
        if hardware is None:
            if not self._whole:
                return ideal(-self.weight_limit, self.weight_limit)
            return fixed_step(self.learning_rate, self.weight_limit, self.max_pulses, "nearest")
        return stepwise(
            hardware,
            shapes_of(self.sizes),
            self.coding,
            carry_period=self._period,
            most=self.max_pulses,
            rounding="nearest" if self._whole else "stochastic",
            is_stored=_everything,
        )

    def parameters(self, hardware: Memristors | None, state: RuleState) -> Theta:
        """Weights that the conductances stand for."""
        theta: Theta = self.write(hardware).read(state.weights)
        return theta

    def transfer(self, key: PRNGKeyArray, hardware: Memristors, state: RuleState) -> RuleState:
        """Program the trained weights into other devices, with verification."""
        write = self.write(hardware)
        return state._replace(weights=write.init(key, write.read(state.weights)))


def _everything(path: tuple[Any, ...]) -> bool:
    """Biases lie on devices, too: they are the weights of a signal that is always 1."""
    return True


def shapes_of(sizes: tuple[int, ...]) -> Theta:
    """Shapes of the parameters of a dense network."""
    shapes: Theta = jax.eval_shape(partial(start_of, sizes=sizes), jax.random.key(0))
    return shapes


def start_of(key: PRNGKeyArray, sizes: tuple[int, ...]) -> Theta:
    """Normal weights of standard deviation 2/√inputs; biases with which few neurons fire (our choice).

    Hidden neurons start with bias -1, about a quarter fires; outputs with -ln(C - 1), one in C. A pulse at every
    signal moves a neuron's sum by η times the neurons that fired before it. Where half of some hundreds do, a single
    presentation drives neurons to where they always or never fire, have no derivative and learn no more: with biases
    0, of networks 64-300-100-10 at η = 0.02, a quarter (6 of 22 on digits; with these, none of 38).
    """
    biases = [-1.0] * (len(sizes) - 2) + [-math.log(max(sizes[-1] - 1, 1))]
    return tuple(
        Layer(
            2 / math.sqrt(inputs) * normal(jax.random.fold_in(key, index), (inputs, outputs)),
            jnp.full(outputs, biases[index]),
        )
        for index, (_, inputs, outputs) in enumerate(layer_shapes(sizes, 1))
    )
