"""`charz check`: whether the fitted model gives data like those that were measured."""

import json
from pathlib import Path
from typing import Annotated

import typer

from charz.cli.output import Report


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
        typer.Option(metavar="OUT.png", help="Plot of the curves; <POSTERIOR>-check.png by default."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Check a fit: posterior predictive p-values, leave-one-out, a plot of the curves."""
    from charz.atomic import replacing
    from charz.cli.convert import refuse_output
    from charz.fitting import check as run_checks
    from charz.fitting import load_posterior, loo, switching_curves
    from charz.fitting.checks import THRESHOLD
    from charz.plots.switching import plot_switching

    output = output or posterior_file.with_name(f"{posterior_file.stem}-check.json")
    plot = plot or posterior_file.with_name(f"{posterior_file.stem}-check.png")
    posterior = load_posterior(posterior_file)
    for path in (output, plot):
        refuse_output(path, [posterior_file])
    report = Report(as_json)
    checks, left_out = run_checks(posterior), loo(posterior)
    report.table(
        f"Posterior predictive checks (two-sided p, failing below {THRESHOLD})",
        ("check", "observed", "expected", "p", "verdict", "looks at"),
        [
            (c.name, c.observed, c.expected, c.p_value, "ok" if c.passed else "FAILS", c.meaning)
            for c in checks
        ],
    )
    report.table(
        "Leave-one-out, one setting of one device at a time",
        ("elpd (nat)", "se", "p_loo", "settings", "Pareto k > 0.7", "largest k"),
        [
            (
                left_out.elpd,
                left_out.se,
                left_out.p_loo,
                left_out.num_settings,
                left_out.num_high_k,
                left_out.max_k,
            )
        ],
    )
    failed = [c.name for c in checks if not c.passed]
    if failed:
        verdict = f"the model does not describe these data: {', '.join(failed)}"
        report.warn(verdict)
    else:
        verdict = "the model describes these data as far as these checks can see"
        report.say(verdict)
    if posterior.warning:
        report.warn(posterior.warning)
    if left_out.num_high_k:
        report.warn(
            f"Pareto k > 0.7 at {left_out.num_high_k} of {left_out.num_settings} settings (largest"
            f" {left_out.max_k:.2f}): their terms of the leave-one-out sum are uncertain by a few nats, so do not"
            " rank models by differences of that size; the checks above do not depend on it"
        )
    family = posterior.tree.attrs.get("device_family", "")
    title = ", ".join(part for part in (family, posterior.model, posterior_file.name) if part)
    plot_switching(switching_curves(posterior), plot, title=title)
    result = {
        "posterior": posterior_file.name,
        "model": posterior.model,
        "pool": posterior.pool,
        "converged": posterior.converged,
        "threshold": THRESHOLD,
        "checks": {c.name: c.as_dict() for c in checks},
        "passed": not failed,
        "verdict": verdict,
        "loo": left_out.as_dict(),
        "plot": str(plot),
    }
    with replacing(output) as temporary:
        temporary.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    report.say(f"written: {output} and {plot}")
    report.finish({**result, "output": str(output)}, trustworthy=not failed and posterior.converged)
