"""`charz energy`: what an inference and a training cost, from the events that their results hold."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charz.cli.output import Report

if TYPE_CHECKING:
    from charz.learning.cost_inputs import CostInputs
    from charz.learning.energy import EnergyRow

# Devices whose mean stands for that of an array, in every draw of the posterior.
DEVICES = 256


def energy(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULT.nc ...", help="Files made by `charz train` or `charz predict`."),
    ],
    inputs: Annotated[
        Path | None,
        typer.Option(
            "--inputs",
            metavar="FILE.toml",
            help="Voltages, conductance, times, and energies of the periphery.",
        ),
    ] = None,
    device: Annotated[
        Path | None,
        typer.Option(
            "--device",
            metavar="POSTERIOR.nc",
            help="Draw from it what the file leaves out and fitted devices know: conductance, voltage, pulse width.",
        ),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", help="Draws of the inputs.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Fixes every draw.")] = 0,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw accuracy against energy to this PNG file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Energy of an inference and of a training in J and TOPs/W, with intervals, from counted events."""
    from charz.errors import TrainError
    from charz.learning.cost import OPS_PER_MAC
    from charz.learning.cost_inputs import cost_inputs
    from charz.learning.energy import energy_row
    from charz.store import load_result

    report = Report(as_json)
    if draws < 2:
        raise TrainError(f"--draws is {draws}; an interval needs at least 2")
    loaded = [load_result(path) for path in results]
    known = {} if device is None else _known(device, draws, seed)
    read = cost_inputs(
        inputs, known, origin="" if device is None else device.name, num_draws=draws, seed=seed
    )
    alone = len({path.name for path in results}) == len(results)
    names = [path.stem if alone else str(path) for path in results]
    rows = [energy_row(name, result, read) for name, result in zip(names, loaded, strict=True)]
    report.table(
        "inputs of the energy (not measured, unless a posterior is named)",
        ("input", "value", "unit", "from"),
        [(row.name, _said(row.values), row.unit, row.origin) for row in read.table],
    )
    report.table(
        f"energy from counted events; mean (90 % interval); one operation is half a multiply-accumulate"
        f" ({OPS_PER_MAC} a MAC)",
        ("result", "scheme", "inference", "accuracy", "J an inference", "TOPs/W", "J of the training"),
        [
            (
                row.name, row.scheme, row.inference, _said(row.accuracy), _said(row.per_inference),
                _said(row.tops_per_watt), _said(row.training),
            )
            for row in rows
        ],
    )  # fmt: skip
    if plot is not None:
        _draw(rows, plot)
        report.say(f"plot written to {plot}")
    report.finish({"inputs": _inputs_of(read), "results": [_numbers(row) for row in rows]})


def _known(device: Path, draws: int, seed: int) -> dict[str, Any]:
    """Draws of the inputs that a posterior knows: means over an array of unmeasured devices.

    Raises
    ------
    TrainError
        When its data say nothing of an energy.
    """
    import jax
    import numpy as np

    from charz.devices import AbstractSwitchingLaw
    from charz.devices.memristor import AbstractMemristor
    from charz.errors import TrainError
    from charz.fitting import load_posterior

    posterior = load_posterior(device)
    devices = posterior.new_devices(jax.random.key(seed), draws, (DEVICES,))
    if isinstance(devices, AbstractMemristor):
        return {"conductance": np.asarray(devices.symmetry_point()).mean(-1)}
    if isinstance(devices, AbstractSwitchingLaw) and posterior.drive_unit == "V":
        amplitude = np.asarray(devices.middle())
        if np.isfinite(amplitude).all():
            known = {"write_voltage": np.sqrt((amplitude**2).mean(-1))}
            widths = np.unique(posterior.observations().arrays.get("width", ()))
            return {**known, "pulse_width": widths} if widths.size == 1 else known
    raise TrainError(
        f"--device {device} holds {posterior.model!r} fitted to {posterior.family.experiment} data: neither a"
        " conductance (pulse_train) nor the voltage of a pulse (pulse_switching in V, a law of the amplitude); leave it"
        " out and state them in --inputs"
    )


def _summary(values: Any) -> tuple[float, float, float]:
    """Low, mean and high; all the same of one number."""
    import numpy as np

    from charz.learning.cost import interval

    low, high = interval(values)
    return low, float(np.mean(values)), high


def _said(values: Any) -> str:
    if values is None:
        return ""
    low, mean, high = _summary(values)
    return f"{mean:.4g}" if low == high else f"{mean:.4g} ({low:.4g} to {high:.4g})"


def _inputs_of(read: "CostInputs") -> list[dict[str, Any]]:
    rows = []
    for row in read.table:
        low, mean, high = _summary(row.values)
        rows.append(
            {"name": row.name, "mean": mean, "q05": low, "q95": high, "unit": row.unit, "from": row.origin}
        )
    return rows


def _numbers(row: "EnergyRow") -> dict[str, Any]:
    found: dict[str, Any] = {"result": row.name, "scheme": row.scheme, "inference": row.inference}
    for name in ("accuracy", "per_inference", "tops_per_watt", "training"):
        values = getattr(row, name)
        if values is not None:
            found[name] = dict(zip(("q05", "mean", "q95"), _summary(values), strict=True))
    return found


def _draw(rows: "list[EnergyRow]", path: Path) -> None:
    from charz.plots.energy import EnergyPoint, plot_energy

    points = [
        EnergyPoint(
            row.name, f"{row.scheme}, {row.inference}", _summary(row.per_inference), _summary(row.accuracy)
        )
        for row in rows
    ]
    plot_energy(points, path)
