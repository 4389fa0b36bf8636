"""`charz fit`: from a dataset to the posterior of a device model; without a model, the models that suit it."""

from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from charz.cli.output import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

Model = Annotated[
    str | None, typer.Option(help="Model to fit; left out, the models for these data are listed.")
]
Pool = Annotated[
    str | None,
    typer.Option(help="hierarchical, complete or none; by default hierarchical where devices are enough."),
]
Priors = Annotated[
    Path | None,
    typer.Option("--priors", metavar="FILE.toml", help="Priors in place of the defaults (`charz priors`)."),
]


def fit(
    data: Annotated[Path, typer.Argument(metavar="DATA.nc", help="Dataset made by `charz convert`.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="POSTERIOR.nc", help="File for the posterior; needed with --model."
        ),
    ] = None,
    model: Model = None,
    pool: Pool = None,
    method: Annotated[
        str,
        typer.Option(
            help="nuts, marginal (devices integrated out, for many devices), laplace (approximation checked by"
            " importance sampling, for long records), or auto: marginal from 200 devices on."
        ),
    ] = "auto",
    priors: Priors = None,
    draws: Annotated[int, typer.Option(help="Draws of each chain, a multiple of 100.")] = 1000,
    warmup: Annotated[int, typer.Option(help="Adaptation steps of each chain, a multiple of 100.")] = 500,
    chains: Annotated[int, typer.Option(help="Number of chains, at least 2.")] = 4,
    seed: Annotated[int, typer.Option(help="Fixes every number of the result.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Fit a device model and save its posterior; without --model, list the models that suit the data."""
    from charz.cli.convert import refuse_output
    from charz.errors import FitError
    from charz.store import load

    report = Report(as_json)
    if model is None:
        _list_models(report, load(data))
    if output is None:
        raise FitError(
            f"--model {model} needs -o POSTERIOR.nc: a fit is kept in a file, from which everything else starts"
        )
    inputs = [data] if priors is None else [data, priors]
    refuse_output(output, inputs)

    import jax

    from charz.cli.fitted import fit_result, say_result
    from charz.fitting import fit as fit_dataset
    from charz.provenance import provenance

    done = 0
    with _dataset(data) as dataset, nullcontext() if as_json else _bar() as advance:
        given = None if priors is None else _given_priors(priors, dataset, model, pool)

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
            method=method,
            draws=draws,
            warmup=warmup,
            chains=chains,
            progress=tick,
            priors=given,
        )
    if pool is None:
        report.say(f"pool: {posterior.pool} (chosen for {len(posterior.device_names)} device(s))")
    options = {
        "model": model, "pool": posterior.pool, "method": method,
        "draws": draws, "warmup": warmup, "chains": chains,
    }  # fmt: skip
    posterior.tree.attrs.update(provenance(inputs, seed, options))
    posterior.save(output)
    say_result(report, posterior, output)
    report.finish(fit_result(posterior, output), trustworthy=posterior.converged)


@contextmanager
def _dataset(path: Path) -> "Iterator[xr.Dataset]":
    """Loaded and validated; a very long record stays in its file, and is read in chunks."""
    from charz.fitting.telegraph.long_records import is_long
    from charz.store import load, opened

    with opened(path) as dataset:
        if is_long(dataset):
            yield dataset
            return
    yield load(path)


def _bar() -> Any:
    from charz.cli.progress import progress_bar

    return progress_bar("sampling")


def _given_priors(path: Path, dataset: "xr.Dataset", model: str, pool: str | None) -> dict[str, Any]:
    from charz.fitting.prior_files import load_priors
    from charz.fitting.prior_table import observed_with_pool
    from charz.fitting.registry import find_model

    observations, pool = observed_with_pool(dataset, model, pool)
    return load_priors(path, find_model(model), observations, pool)


def _list_models(report: Report, dataset: "xr.Dataset") -> NoReturn:
    """Say which models suit a dataset, and leave."""
    from charz.fitting import FAMILIES, suitable_models

    models, kind = suitable_models(dataset), dataset.attrs["experiment"]
    observations = FAMILIES[kind].observe(dataset)
    parameters: dict[str, list[dict[str, Any]]] = {
        model.name: [
            {"name": p.name, "unit": observations.unit_of(p), "meaning": p.meaning, "shared": p.shared}
            for p in model.free
        ]
        for model in models
    }
    report.table(
        f"Models for {kind} data",
        ("model", "summary", "parameters (unit)"),
        [(m.name, m.summary, ", ".join(_with_unit(**row) for row in parameters[m.name])) for m in models],
    )
    report.say(f"nothing was fitted; choose one, for example --model {models[0].name} -o POSTERIOR.nc")
    listed = [{"name": m.name, "summary": m.summary, "parameters": parameters[m.name]} for m in models]
    report.finish({"experiment": kind, "models": listed})


def _with_unit(name: str, unit: str, **_: Any) -> str:
    return name if unit == "1" else f"{name} ({unit})"
