"""What `train` and `predict` share: data and scheme from the words of the command line."""

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from charz.cli.output import Report
from charz.cli.training_devices import Devices
from charz.cli.training_options import SCHEME_OPTIONS, Request, flag
from charz.errors import TrainError

if TYPE_CHECKING:
    from charz.learning import Batch, Scheme, TrainingData


class Data(NamedTuple):
    """What a network learns from: training and validation data, test data, shape of a sample, where they come from."""

    training: "TrainingData"
    test: "Batch"
    shape: tuple[int, ...]
    source: str


def load_data(request: Request) -> Data:
    """Load the data that the request names, preprocessed as its scheme wants them unless said otherwise."""
    import jax.numpy as jnp

    from charz.datasets import load_data as load_set
    from charz.learning import Batch, TrainingData
    from charz.learning.schemes import find_scheme

    preprocess = request.preprocess or find_scheme(request.scheme).inputs
    images = load_set(request.data, seed=request.seed, preprocess=preprocess)

    def batch(x: Any, y: Any) -> Batch:
        return Batch(jnp.asarray(x), jnp.asarray(y))

    training = TrainingData(
        batch(images.train_x, images.train_y), batch(images.validation_x, images.validation_y)
    )
    return Data(training, batch(images.test_x, images.test_y), images.shape, images.source)


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


def build_scheme(request: Request, data: Data, devices: Devices | None) -> "Scheme":
    """Make the scheme that the options name, on the network that was asked for.

    Raises
    ------
    TrainError
        For an option that the scheme does not take, or a network that does not fit the data.
    """
    from charz.learning.architecture import parse_architecture
    from charz.learning.schemes import find_scheme

    kind = find_scheme(request.scheme)
    known = {field.name for field in dataclasses.fields(kind)}
    options = dict(request.options)
    classes = int(data.training.train.y.max()) + 1
    network = parse_architecture(request.network or str(classes), data.shape)
    if network.num_outputs != classes:
        raise TrainError(
            f"--network {request.network} ends in {network.num_outputs} neurons and {request.data} has {classes}"
            " classes: the last layer has a neuron a class"
        )
    for name in options:
        if name not in known:
            raise TrainError(
                f"{flag(name)} does not apply to scheme {request.scheme!r}; its options are"
                f" {', '.join(flag(option) for option in SCHEME_OPTIONS if option in known) or 'none'}"
            )
    if "num_reads" in options:
        options["num_reads"] = parse_reads(options["num_reads"])
    from_data = {
        "drive_range": None if devices is None else devices.drive_range,
        "mean_input": round(float(data.training.train.x.mean()), 4),
    }
    return kind.build(network, **{name: v for name, v in from_data.items() if name in known}, **options)


def warn_of_devices(report: Report, devices: Devices | None) -> None:
    """Repeat the fit's warning wherever its devices are used."""
    if devices is not None and devices.warning:
        report.warn(f"{devices.warning}; nothing that follows from it can be trusted")


def title(request: Request, scheme: "Scheme", devices: Devices | None, *more: str) -> str:
    """Heading of a result: scheme, data, network, reads, mode, devices."""
    reads = f", N = {request.options.get('num_reads', '1')}" if hasattr(scheme, "num_reads") else ""
    network = f"{scheme.num_inputs}-{scheme.architecture}"
    of = "" if devices is None else f" ({devices.description})"
    return ", ".join((f"{request.scheme} on {request.data}, {network}{reads}", *more)) + of


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
