"""`charz demo`: from a lab-like file to accuracies with intervals, through the very commands a user would type."""

import contextlib
import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from charz.cli.output import EXIT_BAD_INPUT, EXIT_DONE, EXIT_NOT_TRUSTWORTHY, Report
from charz.cli.predict import split_rows
from charz.errors import CharzError

NUM_READS = ("1", "64")
DEFAULT_FOLDER = Path("charz-demo")


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.")] = DEFAULT_FOLDER,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random draw.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Simulate a measurement of 24 wires, then convert, fit, check, train and predict. Takes a few minutes."""
    import jax
    import xarray as xr

    from charz.datasets import simulate_wires, write_lab_csv
    from charz.learning.predict import summary
    from charz.plots.accuracy import plot_accuracy

    report = Report(as_json)
    if out.exists() and not out.is_dir():
        raise CharzError(f"--out {out} is a file; give the name of a folder")
    out.mkdir(parents=True, exist_ok=True)
    table = out / "wires-simulated.csv"
    write_lab_csv(table, simulate_wires(jax.random.key(seed)))
    report.say(f"SIMULATED measurement of 24 domain-wall wires (published mean wire) written to {table}")

    data, posterior = out / "wires.nc", out / "posterior.nc"
    curves, accuracies = out / "switching-curves.png", out / "accuracy.png"
    predictions = {reads: out / f"prediction-N{reads}.nc" for reads in NUM_READS}
    fit_options = ("--model", "logistic", "--pool", "hierarchical", "--seed", str(seed))
    steps: list[tuple[str, ...]] = [
        ("convert", str(table), "-o", str(data), "--experiment", "pulse_switching",
         "--column", "device=wire", "--column", "amplitude=control_w", "--column", "num_trials=num_trials",
         "--column", "num_switched=num_passed", "--unit", "amplitude=arb",
         "--family", "domain-wall wire (simulated)"),
        ("fit", str(data), *fit_options, "-o", str(posterior)),
        ("check", str(posterior), "--plot", str(curves)),
        ("train", "--scheme", "mean-variance", "--device", str(posterior), "--data", "digits",
         "--num-reads", "64", "--seed", str(seed), "-o", str(out / "run-N64.nc")),
        *(
            ("predict", "--scheme", "mean-variance", "--device", str(posterior), "--data", "digits",
             "--num-reads", reads, "--seed", str(seed), "-o", str(path))
            for reads, path in predictions.items()
        ),
    ]  # fmt: skip
    exit_code = EXIT_DONE
    for step in steps:
        report.say(f"\n$ charz {shlex.join(step)}")
        exit_code = max(exit_code, _run(step, quiet=as_json))

    loaded = {reads: xr.load_dataset(path) for reads, path in predictions.items()}
    plot_accuracy(
        loaded,
        accuracies,
        title="digits, 64-10, mean/variance rule on wires drawn from the posterior (simulated)",
    )
    results = {reads: summary(prediction) for reads, prediction in loaded.items()}
    rows = []
    for reads, result in results.items():
        accuracy = result["accuracy"]
        shares = [share for _, _, share in split_rows(result)]
        rows.append(
            (reads, f"{accuracy['mean']:.3f}", f"{accuracy['q05']:.3f} to {accuracy['q95']:.3f}", *shares)
        )
    sources = [name for name, _, _ in split_rows(next(iter(results.values())))]
    report.say("")
    report.table(
        "Test accuracy on digits of networks on unmeasured wires (simulated), and where its variance comes from",
        ("N", "accuracy", "90 % interval", *sources),
        rows,
    )
    report.say(f"files: {out}/  plots: {curves} and {accuracies}")
    report.finish(
        {"predictions": results, "folder": str(out), "plots": [str(curves), str(accuracies)]},
        trustworthy=exit_code == EXIT_DONE,
    )


def _run(step: Sequence[str], quiet: bool) -> int:
    """Run one command in this process; its own exit code, with bad input raised again."""
    from charz.cli.app import app

    try:
        with contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext():
            code = app(list(step), standalone_mode=False)
    except typer.Exit as leaving:
        code = leaving.exit_code
    if code not in (EXIT_DONE, EXIT_NOT_TRUSTWORTHY, None):
        raise typer.Exit(EXIT_BAD_INPUT)
    return code or EXIT_DONE
