"""`charz priors`: what a model believes before the data, as a table, a file to edit, and a plot."""

from pathlib import Path
from typing import Annotated, Any

import typer

from charz.cli.fit import Pool, Priors
from charz.cli.output import Report


def priors(
    data: Annotated[Path, typer.Argument(metavar="DATA.nc", help="Dataset made by `charz convert`.")],
    model: Annotated[
        str, typer.Option(help="Model whose priors are shown (`charz fit DATA.nc` lists them).")
    ],
    pool: Pool = None,
    toml: Annotated[
        Path | None,
        typer.Option(metavar="OUT.toml", help="Write them as a file to edit, for `charz fit --priors`."),
    ] = None,
    given: Priors = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Draw what data the prior expects, beside the measured ones."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws in the plot.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Show the priors in force for a dataset: distribution, and 5, 50 and 95 % quantiles with units."""
    from charz.atomic import replacing
    from charz.cli.convert import refuse_output
    from charz.fitting.population import default_priors
    from charz.fitting.prior_files import load_priors, priors_toml
    from charz.fitting.prior_sites import prior_sites
    from charz.fitting.prior_table import observed_with_pool, prior_table
    from charz.fitting.priors import with_overrides
    from charz.fitting.registry import family_of, find_model
    from charz.store import load

    inputs = [path for path in (data, given) if path is not None]
    outputs = [path for path in (toml, plot) if path is not None]
    for path in outputs:
        refuse_output(path, inputs)
    report = Report(as_json)
    chosen, dataset = find_model(model), load(data)
    observations, pool = observed_with_pool(dataset, model, pool)
    stated = load_priors(given, chosen, observations, pool) if given is not None else {}
    in_force = with_overrides(default_priors(chosen, observations, pool), stated)
    rows = prior_table(in_force, prior_sites(chosen, observations, pool))
    report.table(
        f"Priors of {model}, pool {pool} (quantiles on the natural scale)",
        ("parameter", "meaning", "distribution, its unit", "5 %", "50 %", "95 %", "unit", "from"),
        [
            (
                row["name"], row["meaning"], _distribution(**row),
                row["q05"], row["q50"], row["q95"], row["unit"],
                "file" if row["name"] in stated else "default",
            )
            for row in rows
        ],
    )  # fmt: skip
    for remark in observations.remarks:
        report.say(f"data: {remark}")
    if toml is not None:
        with replacing(toml) as temporary:
            temporary.write_text(priors_toml(in_force, chosen, observations), encoding="utf-8")
        report.say(f"written: {toml}; edit it, then: charz fit {data} --model {model} --priors {toml}")
    if plot is not None:
        import jax

        from charz.fitting.prior_expectation import expected_outcomes
        from charz.plots.expected import plot_expected

        part = family_of(model).for_checks(observations)
        look = expected_outcomes(jax.random.key(seed), chosen, part, in_force, pool)
        plot_expected(look, plot, f"{model}, before the data of {data.name}")
        report.say(f"written: {plot}")
    report.finish(
        {
            "model": model,
            "pool": pool,
            "priors": [{**row, "from_file": row["name"] in stated} for row in rows],
            "data_remarks": list(observations.remarks),
            "toml": toml and str(toml),
            "plot": plot and str(plot),
        }
    )


def _distribution(distribution: str, scale_unit: str, **_: Any) -> str:
    """Distribution with the unit of its variable, where it has one."""
    return f"{distribution} {scale_unit}".removesuffix(" 1").replace("ln(1)", "ln")
