"""`charz compare`: which of several models predicts the same data best."""

from pathlib import Path
from typing import Annotated

import typer

from charz.cli.output import Report


def compare(
    posterior_files: Annotated[
        list[Path],
        typer.Argument(
            metavar="A.nc B.nc ...", help="Posteriors of different models, fitted to the same data."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Compare models by leave-one-out cross-validation: how far each lies below the best, with standard error."""
    from charz.cli.fitted import one_observation
    from charz.errors import FitError
    from charz.fitting import compare as rank
    from charz.fitting import load_posterior
    from charz.fitting.comparison import MAX_PARETO_K

    report = Report(as_json)
    repeated = [str(path) for index, path in enumerate(posterior_files) if path in posterior_files[:index]]
    if repeated:
        raise FitError(f"{repeated[0]} is named twice; a comparison needs posteriors of different models")
    posteriors = {name: load_posterior(path) for name, path in _names(posterior_files).items()}
    ranking = rank(posteriors)
    what = one_observation(next(iter(posteriors.values())))
    report.table(
        f"Leave-one-out, {what}, in nats; the best model first",
        (
            "posterior",
            "model",
            "pool",
            "elpd - best",
            "its se",
            "elpd",
            "se",
            "p_loo",
            "observations",
            f"Pareto k > {MAX_PARETO_K}",
        ),
        [
            (
                row.name,
                posteriors[row.name].model,
                posteriors[row.name].pool,
                0.0 - row.difference,
                row.se,
                row.loo.elpd,
                row.loo.se,
                row.loo.p_loo,
                row.loo.num_observations,
                row.loo.num_high_k,
            )
            for row in ranking
        ],
    )
    report.say(f"One observation is {what}; standard errors come from the spread between observations.")
    for row in ranking:
        if row.loo.num_high_k:
            report.warn(
                f"{row.name}: Pareto k > {MAX_PARETO_K} at {row.loo.num_high_k} of {row.loo.num_observations}"
                f" observations (largest {row.loo.max_k:.2f}): their terms are uncertain by a few nats, so"
                " differences of that size rank nothing"
            )
        if warning := posteriors[row.name].warning:
            report.warn(f"{row.name}: {warning}")
    result = {
        "one_observation": what,
        "ranking": [
            {
                "posterior": row.name,
                "model": posteriors[row.name].model,
                "pool": posteriors[row.name].pool,
                "elpd_difference": 0.0 - row.difference,
                "difference_se": row.se,
                "converged": posteriors[row.name].converged,
                **row.loo.as_dict(),
            }
            for row in ranking
        ],
    }
    report.finish(result, trustworthy=all(posterior.converged for posterior in posteriors.values()))


def _names(paths: list[Path]) -> dict[str, Path]:
    """Paths by what is shown of them: the name of the file, or all of it where names repeat."""
    alone = len({path.name for path in paths}) == len(paths)
    return {path.name if alone else str(path): path for path in paths}
