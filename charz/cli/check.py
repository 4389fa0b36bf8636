"""`charz check`: whether the fitted model gives data like those that were measured."""

import json
from pathlib import Path
from typing import Annotated

import typer

from charz.cli.output import Report, plain


def check(
    posterior_file: Annotated[
        Path, typer.Argument(metavar="POSTERIOR.nc", help="Posterior made by `charz fit`.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT.json", help="Result file; <POSTERIOR>-check.json by default."
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.png",
            help="Plot of the fit over the data; <POSTERIOR>-check.png by default. A plot of the checks is written"
            " beside it.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Check a fit: posterior predictive p-values with a plot of each, leave-one-out, a plot of the fit."""
    import jax

    from charz.atomic import replacing
    from charz.cli.convert import refuse_output
    from charz.cli.fitted import one_observation, say_limits
    from charz.fitting import check as run_checks
    from charz.fitting import load_posterior, loo
    from charz.fitting.checks import FALSE_ALARMS
    from charz.fitting.comparison import MAX_PARETO_K
    from charz.plots.statistics import plot_statistics

    output = output or posterior_file.with_name(f"{posterior_file.stem}-check.json")
    plot = plot or posterior_file.with_name(f"{posterior_file.stem}-check.png")
    statistics_plot = plot.with_name(f"{plot.stem}-statistics.png")
    posterior = load_posterior(posterior_file)
    for path in (output, plot, statistics_plot):
        refuse_output(path, [posterior_file])
    report = Report(as_json)
    checks, left_out, what = run_checks(posterior), loo(posterior), one_observation(posterior)
    threshold = min((c.threshold for c in checks), default=FALSE_ALARMS)
    report.table(
        f"Posterior predictive checks (two-sided p, failing below {threshold:.2g})",
        ("check", "observed", "expected", "p", "verdict", "looks at"),
        [
            (c.name, c.observed, c.expected, c.p_value, "ok" if c.passed else "FAILS", c.meaning)
            for c in checks
        ],
    )
    report.table(
        f"Leave-one-out, {what} at a time",
        ("elpd (nat)", "se", "p_loo", "observations", f"Pareto k > {MAX_PARETO_K}", "largest k"),
        [
            (
                left_out.elpd,
                left_out.se,
                left_out.p_loo,
                left_out.num_observations,
                left_out.num_high_k,
                left_out.max_k,
            )
        ],
    )
    failed = [c.name for c in checks if not c.passed]
    if not checks:
        verdict = "no check applies to these data: there are too few of them to show how they vary"
        report.warn(verdict)
    elif failed:
        verdict = f"the model does not describe these data: {', '.join(failed)}"
        report.warn(verdict)
    else:
        verdict = "the model describes these data as far as these checks can see"
        report.say(verdict)
    say_limits(report, posterior)
    if left_out.num_high_k:
        report.warn(
            f"Pareto k > {MAX_PARETO_K} at {left_out.num_high_k} of {left_out.num_observations} observations"
            f" (largest {left_out.max_k:.2f}): their terms of the leave-one-out sum are uncertain by a few nats, so"
            " do not rank models by differences of that size; the checks above do not depend on it"
        )
    device_family = posterior.tree.attrs.get("device_family", "")
    title = ", ".join(part for part in (device_family, posterior.model, posterior_file.name) if part)
    posterior.family.plot(posterior.family.curves(posterior, jax.random.key(0)), plot, title)
    if checks:
        plot_statistics(checks, statistics_plot, title)
    result = {
        "posterior": posterior_file.name,
        "model": posterior.model,
        "pool": posterior.pool,
        "converged": posterior.converged,
        "threshold": threshold,
        "checks": {c.name: c.as_dict() for c in checks},
        "passed": not failed,
        "verdict": verdict,
        "loo": {"one_observation": what, **left_out.as_dict()},
        "plot": str(plot),
        "statistics_plot": str(statistics_plot) if checks else None,
    }
    with replacing(output) as temporary:
        temporary.write_text(
            json.dumps(plain(result), indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )
    written = [output, plot, *([statistics_plot] if checks else [])]
    report.say(f"written: {', '.join(map(str, written))}")
    report.finish(
        {**result, "output": str(output)}, trustworthy=bool(checks) and not failed and posterior.converged
    )
