"""What `train`, `predict` and `demo` share: data, devices and scheme from the words of the command line."""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from charz.cli.output import Report
from charz.cli.training_options import SCHEME_OPTIONS, Request
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

    if find_scheme(scheme).devices is None:
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


def load_data(request: Request) -> tuple["TrainingData", "Batch", str]:
    """Training and validation data, test data, and where they come from."""
    import jax.numpy as jnp

    from charz.datasets import load_data as load_set
    from charz.learning import Batch, TrainingData
    from charz.learning.schemes import find_scheme

    preprocess = request.preprocess or find_scheme(request.scheme).inputs
    images = load_set(request.data, seed=request.seed, preprocess=preprocess)

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


def build_scheme(request: Request, data: "TrainingData", devices: Devices | None) -> "Scheme":
    """Make the scheme that the options name, with inputs and outputs as the data have them.

    Raises
    ------
    TrainError
        For an option that the scheme does not take.
    """
    from charz.learning.schemes import find_scheme

    kind = find_scheme(request.scheme)
    known = {field.name for field in dataclasses.fields(kind)}
    options = dict(request.options)
    sizes = (
        data.train.x.shape[1],
        *parse_hidden(options.pop("hidden", "")),
        int(data.train.y.max()) + 1,
    )
    for name in options:
        if name not in known:
            raise TrainError(
                f"{flag(name)} does not apply to scheme {request.scheme!r}; its options are"
                f" {', '.join(flag(option) for option in SCHEME_OPTIONS if option in (*known, 'hidden'))}"
            )
    if "num_reads" in options:
        options["num_reads"] = parse_reads(options["num_reads"])
    from_data = {
        "drive_range": None if devices is None else devices.drive_range,
        "mean_input": round(float(data.train.x.mean()), 4),
    }
    return kind(sizes, **{name: v for name, v in from_data.items() if name in known}, **options)


def flag(name: str) -> str:
    """An option's name as it is typed."""
    return f"--{name.replace('_', '-')}"


def warn_of_devices(report: Report, devices: Devices | None) -> None:
    """Repeat the fit's warning wherever its devices are used."""
    if devices is not None and devices.warning:
        report.warn(f"{devices.warning}; nothing that follows from it can be trusted")


def title(request: Request, scheme: "Scheme", devices: Devices | None, *more: str) -> str:
    """Heading of a result: scheme, data, network, reads, mode, devices."""
    reads = f", N = {request.options.get('num_reads', '1')}" if hasattr(scheme, "num_reads") else ""
    sizes = "-".join(map(str, scheme.sizes))
    of = "" if devices is None else f" ({devices.description})"
    return ", ".join((f"{request.scheme} on {request.data}, {sizes}{reads}", *more)) + of


def stamp(request: Request, devices: Devices | None, **settings: Any) -> dict[str, str]:
    """Attributes that every result of training carries: provenance, devices, and the fit's warning."""
    from charz.provenance import provenance

    sources = () if devices is None else devices.sources
    return {
        "scheme": request.scheme,
        "device": "" if devices is None else devices.description,
        "warning": "" if devices is None else devices.warning,
        **provenance(sources=sources, seed=request.seed, settings=request.settings(**settings)),
    }
