"""What `train` and `predict` share: data and scheme from the words of the command line."""

import dataclasses
from typing import TYPE_CHECKING, Any

from charz.cli.output import Report
from charz.cli.training_devices import Devices
from charz.cli.training_options import SCHEME_OPTIONS, Request, flag
from charz.errors import TrainError

if TYPE_CHECKING:
    from charz.learning import Batch, Scheme, TrainingData


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
