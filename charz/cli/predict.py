"""`charz predict`: the accuracy of a network on unmeasured devices, with its uncertainty and where it comes from."""

import math
from pathlib import Path
from typing import Annotated

import typer

from charz.cli.cluster import ChunkSize, Dask, Resume, Workers, check_place, chunks_of, place
from charz.cli.gates import HOMODYNE, solve
from charz.cli.output import Report
from charz.cli.progress import progress_bar
from charz.cli.training import build_scheme, load_data, stamp, title, warn_of_devices
from charz.cli.training_devices import load_devices
from charz.cli.training_options import Json, Request, training_options

# One member of a level cannot vary: its variance is contained in the level above.
NOT_SEPARABLE = "not separable"


@training_options
def predict(
    request: Request,
    output: Annotated[Path, typer.Option("-o", "--output", help="Result file (netCDF).")],
    draws: Annotated[int, typer.Option("--draws", help="Posterior draws of the device population.")] = 16,
    arrays: Annotated[int, typer.Option("--arrays", help="Sampled arrays (crossbars) a draw.")] = 2,
    seeds: Annotated[int, typer.Option("--seeds", help="Training seeds an array.")] = 2,
    repeats: Annotated[int, typer.Option("--repeats", help="Fresh readings of the test set a network.")] = 4,
    mode: Annotated[
        str,
        typer.Option(
            "--mode", help="in-situ: train on every array; transfer: train once, program every array."
        ),
    ] = "in-situ",
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the accuracies to this PNG file.")] = None,
    dask: Dask = None,
    workers: Workers = None,
    chunk_size: ChunkSize = 4,  # NETWORKS_A_CHUNK: importing it would load JAX for --help
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Predict the accuracy of networks on devices nobody has measured, with a 90 % interval."""
    import jax

    from charz import store
    from charz.errors import TrainError
    from charz.learning import Design, Inference, TrainOptions, predict_accuracy
    from charz.learning.chunk_store import check_store, delete_store
    from charz.learning.energy import event_attrs
    from charz.learning.predict import device_key, summary

    report = Report(as_json)
    check_place(dask, workers)
    if request.scheme == HOMODYNE:
        if dask is not None or workers is not None or resume:
            raise TrainError(
                f"--dask, --workers and --resume do not apply to scheme {HOMODYNE!r}: its gates take seconds"
            )
        solve(request, draws, output, report, predict=True)
        return
    chunks = chunks_of(output)
    check_store(chunks, resume=resume)
    devices = load_devices(request)
    data = load_data(request)
    chosen = build_scheme(request, data, devices)
    inference = Inference(request.inference, request.votes)  # type: ignore[arg-type]  # checked there
    if devices is None:
        raise TrainError(
            f"scheme {request.scheme!r} has no devices whose uncertainty could be propagated; use `charz train`"
        )
    warn_of_devices(report, devices)
    with place(dask, workers) as client, progress_bar("networks") as advance:
        prediction = predict_accuracy(
            jax.random.key(request.seed),
            chosen,
            devices.sample,
            devices.believed,
            data.training,
            data.test,
            mode=mode,  # type: ignore[arg-type]  # checked there, with a better message
            design=Design(draws, arrays, seeds, repeats),
            options=TrainOptions(request.epochs, request.batch_size, request.patience),
            inference=inference,
            chunk_size=chunk_size,
            on_progress=advance,
            client=client,
            chunks=chunks,
            resume=resume,
        )
    prediction.attrs |= {"kind": "accuracy prediction", "data": data.source}
    if devices.draws_behind is not None:
        numbers = devices.draws_behind(device_key(jax.random.key(request.seed)), draws)
        attrs = {"units": "1", "long_name": "number of the posterior draw, all chains in a row"}
        prediction = prediction.assign_coords(posterior_draw=("draw", numbers, attrs))
    prediction.attrs |= event_attrs(chosen, inference)
    prediction.attrs |= stamp(
        request, devices, mode=mode, draws=draws, arrays=arrays, seeds=seeds, repeats=repeats
    )
    store.save_result(prediction, output)
    delete_store(chunks)
    if plot is not None:
        from charz.plots.accuracy import plot_accuracy

        plot_accuracy({request.options.get("num_reads", request.scheme): prediction}, plot)

    result = summary(prediction)
    accuracy = result["accuracy"]
    report.table(
        title(request, chosen, devices, mode, str(inference)),
        ("test accuracy", "value"),
        [
            ("mean", accuracy["mean"]),
            ("90 % predictive interval", f"{accuracy['q05']:.4g} to {accuracy['q95']:.4g}"),
        ],
    )
    report.table(
        "standard deviation by source", ("source", "sd (points)", "share of variance"), split_rows(result)
    )
    report.say(f"prediction written to {output}")
    report.finish(
        {**result, "mode": mode, "output": str(output), "networks": draws * arrays * seeds},
        trustworthy=not devices.warning,
    )


def split_rows(result: dict[str, dict[str, float]]) -> list[tuple[str, str, str]]:
    """Rows of the variance table: source, standard deviation in points of accuracy, share in percent."""
    variance = result["variance"]
    total = math.fsum(value for value in variance.values() if not math.isnan(value))
    return [
        (name.replace("_", "-"), NOT_SEPARABLE, "")
        if math.isnan(value)
        else (
            name.replace("_", "-"),
            f"{100 * value**0.5:.2f}",
            f"{100 * value / total:.0f} %" if total else "",
        )
        for name, value in variance.items()
    ]
