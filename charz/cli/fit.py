"""`charz fit`: from a dataset to the posterior of a device model."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charz.cli.output import Report

if TYPE_CHECKING:
    from charz.fitting import Posterior

_SHOWN_DEVICES = 6
_COLUMNS = ("mean", "sd", "q05", "q95", "rhat", "ess_bulk")


def fit(
    data: Annotated[Path, typer.Argument(metavar="DATA.nc", help="Dataset made by `charz convert`.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="POSTERIOR.nc", help="File for the posterior.")
    ],
    model: Annotated[
        str, typer.Option(help="logistic (free floor), logistic-plain, or logistic-asymptotes.")
    ] = "logistic",
    pool: Annotated[
        str | None,
        typer.Option(help="hierarchical, complete or none; by default hierarchical from 3 devices on."),
    ] = None,
    draws: Annotated[int, typer.Option(help="Draws of each chain, a multiple of 100.")] = 1000,
    warmup: Annotated[int, typer.Option(help="Adaptation steps of each chain, a multiple of 100.")] = 500,
    chains: Annotated[int, typer.Option(help="Number of chains, at least 2.")] = 4,
    seed: Annotated[int, typer.Option(help="Fixes every number of the result.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Fit a device model by NUTS and save its posterior."""
    import jax

    from charz.cli.convert import refuse_output
    from charz.cli.progress import progress_bar
    from charz.fitting import default_pool
    from charz.fitting import fit as fit_dataset
    from charz.provenance import provenance
    from charz.store import load

    refuse_output(output, [data])
    report = Report(as_json)
    dataset = load(data)
    if pool is None:
        pool = default_pool(dataset.sizes.get("device", 1))
        report.say(f"pool: {pool} (chosen for {dataset.sizes.get('device', 1)} device(s))")
    done = 0
    with progress_bar("sampling") if not as_json else nullcontext() as advance:

        def tick(steps: int) -> None:
            nonlocal done
            done += steps
            if advance is not None:
                advance(done, max(done, draws + warmup))

        posterior = fit_dataset(
            dataset,
            model,
            key=jax.random.key(seed),
            pool=pool,
            draws=draws,
            warmup=warmup,
            chains=chains,
            progress=tick,
        )
    options = {"model": model, "pool": pool, "draws": draws, "warmup": warmup, "chains": chains}
    posterior.tree.attrs.update(provenance([data], seed, options))
    posterior.save(output)
    _say_result(report, posterior, output)
    report.finish(fit_result(posterior, output), trustworthy=posterior.converged)


def fit_result(posterior: "Posterior", output: Path) -> dict[str, Any]:
    """Give the numbers of a fit as plain values."""
    attrs = posterior.tree.attrs
    return {
        "output": str(output),
        "model": posterior.model,
        "pool": posterior.pool,
        "devices": posterior.device_names,
        "units": posterior.units(),
        "interval": attrs["interval"],
        **posterior.summary(),
        "converged": posterior.converged,
        "divergences": int(attrs["divergences"]),
        "convergence": attrs["convergence"],
        "remarks": attrs["remarks"],
        "parametrization": attrs["parametrization"],
        "priors": posterior.priors(),
    }


def _say_result(report: Report, posterior: "Posterior", output: Path) -> None:
    summary, units = posterior.summary(), posterior.units()
    interval = posterior.tree.attrs["interval"]
    header = ("parameter (unit)", *_COLUMNS)
    if summary["population"]:
        rows = [_row(name, units, numbers) for name, numbers in summary["population"].items()]
        report.table(f"Population ({interval} interval)", header, rows)
    rows = []
    for name, numbers in summary["parameters"].items():
        if "mean" in numbers:
            rows.append(_row(name, units, numbers))
        else:
            shown = list(numbers.items())[:_SHOWN_DEVICES]
            rows += [_row(f"{name}[{device}]", units, row, name) for device, row in shown]
    report.table(f"{posterior.model}, pool {posterior.pool} ({interval} interval)", header, rows)
    hidden = len(posterior.device_names) - _SHOWN_DEVICES
    if hidden > 0 and posterior.pool != "complete":
        report.say(f"{hidden} more devices in {output}")
    for remark in filter(None, (posterior.tree.attrs["remarks"], posterior.tree.attrs["parametrization"])):
        report.say(remark)
    if posterior.warning:
        report.warn(posterior.warning)
    else:
        report.say(posterior.tree.attrs["convergence"])
    report.say(f"posterior written to {output}")


def _row(name: str, units: dict[str, str], numbers: dict[str, float], unit_of: str | None = None) -> tuple:
    unit = units[unit_of or name]
    return (name if unit == "1" else f"{name} ({unit})", *(numbers[column] for column in _COLUMNS))
