"""`charz plan`: what to measure next, by how much an hour on the bench narrows what is to be known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from charz.cli.output import Report
from charz.cli.progress import progress_bar

if TYPE_CHECKING:
    from charz.fitting import Posterior
    from charz.fitting.planning import Target


def plan(
    posterior_file: Annotated[Path, typer.Argument(metavar="POSTERIOR.nc", help="Made by `charz fit`.")],
    candidates: Annotated[
        Path,
        typer.Option(
            "--candidates", metavar="FILE.toml", help="Measurements to choose from, and what each costs."
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            "--target", metavar="NAME", help="Parameter to narrow, as in location_mean or location[wire-01]."
        ),
    ] = None,
    prediction: Annotated[
        Path | None,
        typer.Option(
            "--prediction",
            metavar="PREDICTION.nc",
            help="Narrow the accuracy that `charz predict` predicted from this posterior.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Result file (netCDF).")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the plan to this PNG file.")] = None,
    simulations: Annotated[
        int, typer.Option("--simulations", help="Fits of a candidate that reweighting cannot judge.")
    ] = 8,
    seed: Annotated[int, typer.Option("--seed", help="Fixes every random number.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Rank further measurements by how much an hour of each narrows a parameter, or a predicted accuracy."""
    import jax

    from charz import store
    from charz.fitting import load_posterior
    from charz.fitting.planning import load_candidates
    from charz.fitting.planning import plan as rank
    from charz.provenance import provenance

    report = Report(as_json)
    posterior = load_posterior(posterior_file)
    wanted = _target(posterior, target, prediction)
    chosen = load_candidates(candidates, posterior.observations())
    with progress_bar("candidates") as advance:
        found = rank(
            posterior, chosen, wanted, key=jax.random.key(seed), simulations=simulations, on_progress=advance
        )
    sources = [path for path in (posterior_file, candidates, prediction) if path is not None]
    found.attrs |= provenance(seed=seed, settings={"simulations": simulations}, sources=sources)
    if output is not None:
        store.save_result(found, output)
    if plot is not None:
        from charz.plots.plan import plot_plan

        plot_plan(found, plot)
    rows = [
        (
            str(row["candidate"].item()),
            str(row["measurement"].item()),
            row["hours"].item(),
            row["sd_after"].item(),
            row["sd_after_se"].item(),
            f"{100 * row['shrinkage'].item():.1f}",
            f"{100 * row['per_hour'].item():.2f}",
            str(row["method"].item()),
        )
        for row in (found.isel(candidate=index) for index in range(found.sizes["candidate"]))
    ]
    before, unit = found["sd_before"].item(0), "" if wanted.unit == "1" else f" {wanted.unit}"
    report.table(
        f"{wanted.name}: standard deviation {before:.4g}{unit} now; the best measurement first",
        ("candidate", "measurement", "hours", "sd after", "its MC error", "narrower (%)", "% an hour", "by"),
        rows,
    )
    if wanted.remark:
        report.say(wanted.remark)
    report.say(
        "'narrower' is the expected shrinkage of the interval; what comes of it depends on the outcome."
    )
    if posterior.warning:
        report.warn(posterior.warning)
    for path in (output, plot):
        if path is not None:
            report.say(f"plan written to {path}")
    result = {
        "target": wanted.name,
        "unit": wanted.unit,
        "sd_before": before,
        "candidates": [
            {
                name: found[name].to_numpy()[index].item()
                if name in NUMBERS
                else str(found[name].to_numpy()[index])
                for name in ("candidate", "measurement", *NUMBERS, "method")
            }
            for index in range(found.sizes["candidate"])
        ],
    }
    report.finish(result, trustworthy=posterior.converged)


NUMBERS = ("hours", "sd_after", "sd_after_se", "shrinkage", "per_hour", "pareto_k")


def _target(posterior: "Posterior", target: str | None, prediction: Path | None) -> "Target":
    from charz import store
    from charz.errors import FitError
    from charz.fitting.planning import accuracy_target, parameter_target

    if (target is None) == (prediction is None):
        raise FitError(
            "say what is to be narrowed: --target NAME, a parameter, or --prediction PREDICTION.nc, an accuracy; one of"
            " the two"
        )
    if target is not None:
        return parameter_target(posterior, target)
    return accuracy_target(posterior, store.load_result(Path(str(prediction))))
