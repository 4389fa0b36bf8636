"""A recorded telegraph trace as the noise of every node: one measured device stands for all of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from charz.cli.training_devices import NOISE_KIND, VOLT, Devices
from charz.cli.training_options import Request
from charz.errors import TrainError

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from charz.learning import Scheme

DEFAULT_CUT = "strided"
# Largest step of the time stamps over their mean: beyond it samples are missing, not only rounded stamps.
UNEVEN_ABOVE = 1.5


def recorded_noise(request: Request) -> Devices:
    """One device's record, replayed at all nodes.

    Raises
    ------
    TrainError
        When the file holds another kind of data, several records of which none is named, none of the name that is
        asked for, samples that are not evenly spaced, or a signal that is not in V without a gain.
    CharzError
        When the record cannot be replayed, or the cut is not known.
    """
    import jax
    import jax.numpy as jnp

    from charz import store
    from charz.devices import RecordedNoise

    path = Path(str(request.device))
    dataset = store.load(path)
    kind = dataset.attrs["experiment"]
    if kind != NOISE_KIND:
        raise TrainError(
            f"--device {path} holds {kind} data; the nodes of scheme {request.scheme!r} replay a signal that"
            f" fluctuates, which takes a dataset of {NOISE_KIND} data"
        )
    if request.read_interval is not None:
        raise TrainError(
            f"--read-interval does not apply to the recorded trace of --device {path}: a node reads it sample by sample"
        )
    name = _chosen(dataset, request)
    volts, interval = _volts(dataset.sel(device=name), request)
    noise = RecordedNoise(volts, request.cut or DEFAULT_CUT)  # type: ignore[arg-type]  # checked there

    def sample(key: Any, num_draws: int, shape: tuple[int, ...]) -> Any:
        # Training asks for the devices of one network, (node,); a prediction for those of many arrays.
        if num_draws > 1 or len(shape) > 1:
            raise TrainError(
                f"--device {path} is a recorded trace: one device as it was, without the posterior draws over which a"
                f" prediction goes; use `charz train`, or fit it (charz fit {path.name} --model two-state) and predict"
                " from the posterior"
            )
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (1, *leaf.shape)), noise)

    return Devices(sample, noise, None, VOLT, (path,), f"{name} of {path.name}, {interval}")


def at_nodes(devices: Devices | None, scheme: "Scheme") -> Devices | None:
    """The same, and of a recorded trace a description of how it is cut, which needs the number of nodes.

    Raises
    ------
    CharzError
        When the record is too short, or drifts, so that nothing can be said of its memory.
    """
    from charz.devices import RecordedNoise

    if devices is None or not isinstance(devices.believed, RecordedNoise):
        return devices
    described = devices.believed.describe(scheme.num_devices)
    return devices._replace(description=f"{devices.description}: {described}")


def _chosen(dataset: "xr.Dataset", request: Request) -> str:
    """Name of the device whose record is replayed."""
    names = [str(name) for name in dataset["device"].values]
    known = ", ".join(names)
    if request.record is None:
        if len(names) > 1:
            raise TrainError(
                f"--device {request.device} holds the records of {len(names)} devices, and one is replayed at all"
                f" nodes: choose it by --record, one of {known}"
            )
        return names[0]
    if request.record not in names:
        raise TrainError(
            f"--record {request.record!r} is not a device of {request.device}; choose one of {known}"
        )
    return request.record


def _volts(record: "xr.Dataset", request: Request) -> "tuple[np.ndarray[Any, Any], str]":
    """Samples of one record in V, and in words how far they are apart."""
    import numpy as np

    signal = record["signal"]
    unit = signal.attrs["units"]
    if request.gain is None and unit != VOLT:
        raise TrainError(
            f"--device {request.device} was measured in {unit}, and a node adds volts: give --gain, the volts at the"
            " node per unit of the signal"
        )
    values = np.asarray(signal.values, np.float64)
    # Padding after the end of the shorter of several records; a gap inside is refused by the noise itself.
    finite = np.flatnonzero(np.isfinite(values))
    end = int(finite[-1]) + 1 if finite.size else 0
    gain = 1.0 if request.gain is None else request.gain
    return gain * values[:end], _interval(record, end, request)


def _interval(record: "xr.Dataset", end: int, request: Request) -> str:
    """How far samples are apart, in words.

    Raises
    ------
    TrainError
        For time stamps with gaps: the nodes would read on as if there were none.
    """
    import numpy as np

    if "sample_interval" in record:
        return f"a sample every {float(record['sample_interval']):.3g} s"
    if "elapsed" not in record:
        return "sample interval not known"
    steps = np.diff(np.asarray(record["elapsed"].values, np.float64)[:end])
    mean = float(steps.mean()) if steps.size else np.nan
    if steps.size and not steps.max() <= UNEVEN_ABOVE * mean:
        raise TrainError(
            f"time stamps of --device {request.device} have a largest step of {steps.max():.3g} s at a mean of"
            f" {mean:.3g} s; a record is replayed sample by sample and must be evenly spaced: cut it at the gaps"
        )
    return f"a sample every {mean:.3g} s"
