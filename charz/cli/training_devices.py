"""Devices for `train` and `predict`: from a posterior file, a recorded trace, or published ones by name."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from charz.cli.training_options import Request, flag
from charz.errors import TrainError

if TYPE_CHECKING:
    import numpy as np

    from charz.fitting import Posterior
    from charz.learning.predict import SampleDevices

MEAN_WIRE = "mean-wire"
JUNCTION = "published-junction"
MEMRISTOR = "example-memristor"
SWITCH = "example-junction"
SYNAPSE_KIND, NOISE_KIND, MEMRISTOR_KIND = "pulse_switching", "telegraph", "pulse_train"
VOLT, SIEMENS = "V", "S"
# Options of a recorded trace.
OF_RECORDS = ("cut", "record")


class Devices(NamedTuple):
    """Where a network's devices come from.

    `sample` draws unmeasured devices, `believed` is what the controller believes of each, `drive_range` the
    swept range in `drive_unit` (of synapses), `warning` is not empty where the fit is not to be trusted. With the key
    and the number of draws of `sample`, `draws_behind` gives the numbers of the posterior's draws.
    """

    sample: "SampleDevices"
    believed: Any
    drive_range: tuple[float, float] | None
    drive_unit: str
    sources: tuple[Path, ...]
    description: str
    warning: str = ""
    draws_behind: Callable[[Any, int], "np.ndarray"] | None = None


def load_devices(request: Request) -> Devices | None:
    """Devices that the request names, in the role that its scheme has for them; None for software.

    A scheme that can do without devices is software when none are named.

    Raises
    ------
    TrainError
        For an unknown scheme, one that needs devices and got none, software that got some, or a posterior of devices
        that cannot play the role.
    """
    from charz.learning.schemes import find_scheme

    scheme = find_scheme(request.scheme)
    role = scheme.devices
    if role != "noise":
        for name in ("read_interval", "gain", *OF_RECORDS):
            if getattr(request, name) is not None:
                raise TrainError(
                    f"{flag(name)} does not apply to scheme {request.scheme!r}: it says how the nodes' noise is read"
                )
    if role is None:
        if request.device is not None:
            raise TrainError(
                f"scheme {request.scheme!r} is software and has no devices; leave --device {request.device} out"
            )
        return None
    published, does = {
        "synapse": (MEAN_WIRE, "its synapses are devices"),
        "noise": (JUNCTION, "the noise of its nodes comes from devices"),
        "memristor": (MEMRISTOR, "its weights are conductances"),
        "switch": (SWITCH, "its weights are pairs of junctions"),
    }[role]
    if request.device is None and not scheme.needs_devices:
        return None
    if request.device is None:
        raise TrainError(
            f"scheme {request.scheme!r} needs --device POSTERIOR.nc (made by `charz fit`), or --device {published}:"
            f" {does}"
        )
    if role == "noise":
        from charz.cli.recorded_devices import recorded_noise
        from charz.store import holds_dataset

        if holds_dataset(Path(request.device)):
            return recorded_noise(request)
    for name in OF_RECORDS:
        if getattr(request, name) is not None:
            raise TrainError(
                f"{flag(name)} does not apply to --device {request.device}: it says how a recorded trace is replayed,"
                f" which is a dataset of {NOISE_KIND} data (made by `charz convert`)"
            )
    if request.device == published:
        return {
            "synapse": _mean_wire,
            "noise": lambda: _junction(request),
            "memristor": _example,
            "switch": _example_junction,
        }[role]()
    from charz.fitting import load_posterior

    posterior = load_posterior(Path(request.device))
    by_role = {"synapse": _synapses, "noise": _noise, "memristor": _memristors, "switch": _switches}
    return by_role[role](posterior, request)


def _synapses(posterior: "Posterior", request: Request) -> Devices:
    import jax.numpy as jnp

    from charz.devices import AbstractSwitchingLaw

    kind, device = posterior.family.experiment, request.device
    believed = posterior.believed() if kind == SYNAPSE_KIND else None
    if not isinstance(believed, AbstractSwitchingLaw):
        raise TrainError(
            f"--device {device} holds {posterior.model!r} fitted to {kind} data; the synapses of scheme"
            f" {request.scheme!r} are pulsed and switch with a probability, which takes a posterior of {SYNAPSE_KIND}"
            " data (one switching curve a device, for example --model logistic)"
        )
    drive_range = posterior.drive_range
    if not math.isfinite(float(believed.probability(jnp.asarray(sum(drive_range) / 2)))):
        raise TrainError(
            f"--device {device} holds {posterior.model!r}, whose switching probability depends on the pulse width; the"
            " pulses of a network have none here: fit a model of the amplitude alone, for example --model logistic"
        )
    return Devices(
        posterior.new_devices, believed, drive_range, posterior.drive_unit, **_origin(posterior, request)
    )


def _noise(posterior: "Posterior", request: Request) -> Devices:
    from charz.devices import TelegraphJunction, junction_noise

    kind, device = posterior.family.experiment, request.device
    believed = posterior.believed() if kind == NOISE_KIND else None
    if not isinstance(believed, TelegraphJunction):
        raise TrainError(
            f"--device {device} holds {posterior.model!r} fitted to {kind} data; the nodes of scheme"
            f" {request.scheme!r} fluctuate between two levels, which takes a posterior of {NOISE_KIND} data with"
            " --model two-state"
        )
    units = posterior.units()
    if request.gain is None and units["separation"] != VOLT:
        raise TrainError(
            f"--device {device} was measured in {units['separation']}, and a node adds volts: give --gain, the volts"
            " at the node per unit of the signal"
        )
    interval, how = request.read_interval, "as asked for"
    if interval is None:
        measured = posterior.observations().arrays["interval"]
        interval, how = float(measured.flat[0]), "that of the record"
    gain = 1.0 if request.gain is None else request.gain
    time_unit = "s" if units["rate_up"] == "1/s" else "samples"

    def sample(key: Any, num_draws: int, shape: tuple[int, ...]) -> Any:
        return junction_noise(posterior.new_devices(key, num_draws, shape), interval, gain)

    typical = junction_noise(believed, interval, gain)
    origin = _origin(posterior, request)
    dwell = 1 / float(believed.rate_up + believed.rate_down)
    origin["description"] += (
        f"; nodes are read every {interval:.3g} {time_unit} ({how}), {interval / dwell:.2g} of a junction's correlation"
        " time"
    )
    return Devices(sample, typical, None, VOLT, **origin)


def _memristors(posterior: "Posterior", request: Request) -> Devices:
    import jax
    import jax.numpy as jnp

    from charz.devices.memristor import AbstractMemristor

    kind, device = posterior.family.experiment, request.device
    believed = posterior.believed() if kind == MEMRISTOR_KIND else None
    if not isinstance(believed, AbstractMemristor):
        raise TrainError(
            f"--device {device} holds {posterior.model!r} fitted to {kind} data; the weights of scheme"
            f" {request.scheme!r} are written by pulses that move a conductance in steps, which takes a posterior of"
            f" {MEMRISTOR_KIND} data with a model of steps, for example --model soft-bounds"
        )

    def sample(key: Any, num_draws: int, shape: tuple[int, ...]) -> Any:
        key_device, key_stuck = jax.random.split(key)
        devices = posterior.new_devices(key_device, num_draws, shape).draw_stuck(key_stuck)
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_draws, *shape)), devices)

    def draws_behind(key: Any, num_draws: int) -> Any:
        return posterior.draws_behind(jax.random.split(key)[0], num_draws)

    origin = _origin(posterior, request) | {"draws_behind": draws_behind}
    return Devices(sample, believed, None, SIEMENS, **origin)


def _switches(posterior: "Posterior", request: Request) -> Devices:
    from charz.devices import TwoDirections
    from charz.devices.law import AbstractPulsedLaw

    kind, device = posterior.family.experiment, request.device
    believed = posterior.believed() if kind == SYNAPSE_KIND else None
    alike = isinstance(believed, AbstractPulsedLaw)
    if not alike and not (
        isinstance(believed, TwoDirections) and isinstance(believed.set, AbstractPulsedLaw)
    ):
        raise TrainError(
            f"--device {device} holds {posterior.model!r} fitted to {kind} data; the junctions of scheme"
            f" {request.scheme!r} are written by pulses of different widths, which takes a posterior of {SYNAPSE_KIND}"
            " data with a law of both amplitude and width, for example --model thermal-directions or macrospin"
        )

    def both(law: Any) -> Any:
        return TwoDirections(law, law) if alike else law

    def sample(key: Any, num_draws: int, shape: tuple[int, ...]) -> Any:
        return both(posterior.new_devices(key, num_draws, shape))

    origin = _origin(posterior, request)
    if alike:
        origin["description"] += "; both directions taken as alike"
    return Devices(sample, both(believed), None, posterior.drive_unit, **origin)


def _origin(posterior: "Posterior", request: Request) -> dict[str, Any]:
    path = Path(str(request.device))
    return {
        "sources": (path,),
        "description": f"{posterior.model}, pool {posterior.pool}, from {path.name}",
        "warning": "" if posterior.converged else f"{path.name} holds a fit that did not converge",
        "draws_behind": posterior.draws_behind,
    }


def _mean_wire() -> Devices:
    from charz.devices import mean_wire

    law = mean_wire()
    what = "published mean wire of Ellis et al. 2023, no spread between wires"
    return Devices(_all_alike(law), law, None, "arb", (), what)


def _example() -> Devices:
    from charz.devices.example_memristor import (
        CYCLE_NOISE,
        NUM_PULSES,
        SPREAD,
        SYMMETRY_SPREAD,
        example_memristor,
        example_memristors,
    )

    what = (
        f"example memristor (our choice, not measured): {NUM_PULSES} pulses over 2 to 20 µS, cycle-to-cycle noise"
        f" {CYCLE_NOISE:g} of a step; between devices steps differ by {SPREAD:.0%}, symmetry points by"
        f" {SYMMETRY_SPREAD:.0%}"
    )
    return Devices(example_memristors, example_memristor(), None, SIEMENS, (), what)


def _example_junction() -> Devices:
    from charz.devices.junction_pair import example_junction

    junction = example_junction()
    what = "example in-plane junction, constants assumed in the notes on Greenberg et al. 2021, no spread"
    return Devices(_all_alike(junction), junction, None, "1", (), what)


def _junction(request: Request) -> Devices:
    from charz.devices import published_junction

    for name in ("read_interval", "gain"):
        if getattr(request, name) is not None:
            raise TrainError(
                f"{flag(name)} does not apply to --device {JUNCTION}: its constants are per read, in volts"
            )
    noise = published_junction()
    what = "published junction of Koenders et al. 2025 at every node, no spread between junctions"
    return Devices(_all_alike(noise), noise, None, VOLT, (), what)


def _all_alike(device: Any) -> "SampleDevices":
    """Sampler of devices without any spread."""
    import jax
    import jax.numpy as jnp

    def sample(key: Any, num_draws: int, shape: tuple[int, ...]) -> Any:
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_draws, *shape)), device)

    return sample
