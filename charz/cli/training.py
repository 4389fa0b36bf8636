"""What `train`, `predict` and `demo` share: data, devices and scheme from the words of the command line."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from charz.cli.output import Report
from charz.errors import TrainError

if TYPE_CHECKING:
    from charz.devices import AbstractSwitchingLaw
    from charz.learning import Batch, Scheme, TrainingData
    from charz.learning.predict import SampleDevices

MEAN_WIRE = "mean-wire"
SYNAPSE_KIND = "pulse_switching"


class Devices(NamedTuple):
    """Where a network's devices come from.

    `sample` draws unmeasured devices, `believed` is what the controller believes of each, `drive_range` the
    swept range in `drive_unit`, `warning` is not empty where the fit is not to be trusted.
    """

    sample: "SampleDevices"
    believed: "AbstractSwitchingLaw"
    drive_range: tuple[float, float] | None
    drive_unit: str
    sources: tuple[Path, ...]
    description: str
    warning: str = ""


def load_devices(device: str | None, scheme: str) -> Devices | None:
    """Devices from a posterior file, or the published mean wire without any spread.

    Raises
    ------
    TrainError
        For an unknown scheme, one that needs devices and got none, software that got some, or a posterior whose
        devices have no switching probability.
    """
    from charz.devices import AbstractSwitchingLaw
    from charz.learning.schemes import find_scheme

    if not find_scheme(scheme).uses_devices:
        if device is not None:
            raise TrainError(f"scheme {scheme!r} is software and has no devices; leave --device {device} out")
        return None
    if device is None:
        raise TrainError(
            f"scheme {scheme!r} needs --device POSTERIOR.nc (made by `charz fit`), or --device {MEAN_WIRE}: "
            "its synapses are devices"
        )
    if device == MEAN_WIRE:
        return _published_mean_wire()
    import jax.numpy as jnp

    from charz.fitting import load_posterior

    path = Path(device)
    posterior = load_posterior(path)
    kind = posterior.family.experiment
    believed = posterior.believed() if kind == SYNAPSE_KIND else None
    if not isinstance(believed, AbstractSwitchingLaw):
        raise TrainError(
            f"--device {device} holds {posterior.model!r} fitted to {kind} data; the synapses of scheme {scheme!r} are"
            f" pulsed and switch with a probability, which takes a posterior of {SYNAPSE_KIND} data"
            " (one switching curve a device, for example --model logistic)"
        )
    drive_range = posterior.drive_range
    if not math.isfinite(float(believed.probability(jnp.asarray(sum(drive_range) / 2)))):
        raise TrainError(
            f"--device {device} holds {posterior.model!r}, whose switching probability depends on the pulse width; the"
            " pulses of a network have none here: fit a model of the amplitude alone, for example --model logistic"
        )
    return Devices(
        sample=posterior.new_devices,
        believed=believed,
        drive_range=drive_range,
        drive_unit=posterior.drive_unit,
        sources=(path,),
        description=f"{posterior.model}, pool {posterior.pool}, from {path.name}",
        warning="" if posterior.converged else f"{path.name} holds a fit that did not converge",
    )


def _published_mean_wire() -> Devices:
    import jax
    import jax.numpy as jnp

    from charz.devices import mean_wire

    law = mean_wire()

    def sample(key: Any, num_draws: int, shape: tuple[int, ...]) -> "AbstractSwitchingLaw":
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_draws, *shape)), law)

    return Devices(
        sample, law, None, "arb", (), "published mean wire of Ellis et al. 2023, no spread between wires"
    )


def load_data(name: str, seed: int) -> tuple["TrainingData", "Batch", str]:
    """Training and validation data, test data, and where they come from."""
    import jax.numpy as jnp

    from charz.datasets import load_images
    from charz.learning import Batch, TrainingData

    images = load_images(name, seed=seed)

    def batch(x: Any, y: Any) -> Batch:
        return Batch(jnp.asarray(x), jnp.asarray(y))

    data = TrainingData(
        batch(images.train_x, images.train_y), batch(images.validation_x, images.validation_y)
    )
    return data, batch(images.test_x, images.test_y), images.source


def parse_hidden(hidden: str) -> tuple[int, ...]:
    """Read ``--hidden 64,32``; empty means no hidden layer."""
    try:
        sizes = tuple(int(part) for part in hidden.split(",") if part.strip())
    except ValueError:
        sizes = (0,)
    if any(size < 1 for size in sizes):
        raise TrainError(
            f"--hidden {hidden!r} must be neuron counts joined by commas, for example 64 or 128,64"
        )
    return sizes


def parse_reads(num_reads: str) -> int | None:
    """Read ``--num-reads``: a positive whole number, or ``inf`` for the mean-field limit (None)."""
    from charz.learning.schemes import MEAN_FIELD

    if num_reads == MEAN_FIELD:
        return None
    try:
        return int(num_reads)
    except ValueError:
        raise TrainError(
            f"--num-reads {num_reads!r} must be a whole number of measurements, or {MEAN_FIELD} (mean field)"
        ) from None


def build_scheme(
    name: str,
    data: "TrainingData",
    devices: Devices | None,
    hidden: str,
    num_reads: str,
    differential: bool,
    learning_rate: float,
) -> "Scheme":
    """Make the scheme that the options name, with inputs and outputs as the data have them."""
    from charz.learning import Scheme

    num_classes = int(data.train.y.max()) + 1
    return Scheme(
        name=name,
        sizes=(data.train.x.shape[1], *parse_hidden(hidden), num_classes),
        num_reads=parse_reads(num_reads),
        differential=differential,
        learning_rate=learning_rate,
        drive_range=None if devices is None else devices.drive_range,
        mean_input=round(float(data.train.x.mean()), 4),
    )


def warn_of_devices(report: Report, devices: Devices | None) -> None:
    """Repeat the fit's warning wherever its devices are used."""
    if devices is not None and devices.warning:
        report.warn(f"{devices.warning}; nothing that follows from it can be trusted")
