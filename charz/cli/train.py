"""`charz train`: one network on one sampled array of devices."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charz.cli.gates import HOMODYNE, solve
from charz.cli.output import Report
from charz.cli.progress import progress_bar
from charz.cli.recorded_devices import at_nodes
from charz.cli.training import build_scheme, load_data, stamp, title, warn_of_devices
from charz.cli.training_devices import Devices, load_devices
from charz.cli.training_options import Json, Request, training_options
from charz.cli.training_run import run_dataset

if TYPE_CHECKING:
    from charz.learning import Scheme, Training

EVENTS = {
    "reads": "reads of devices",
    "comparisons": "comparisons with noise",
    "events": "errors that were not 0",
    "writes": "weights changed",
    "carry_pulses": "pulses of carries",
    "pulse_time": "time of all pulses (s)",
}


@training_options
def train(
    request: Request,
    output: Annotated[Path, typer.Option("-o", "--output", help="Result file (netCDF).")],
    repeats: Annotated[int, typer.Option("--repeats", help="Fresh readings of the whole test set.")] = 16,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", help="Write the state of the training to this file after each epoch."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the --checkpoint file of a training that was stopped."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train one network on one array drawn from a fitted device population; report its test accuracy."""
    import jax

    from charz import store
    from charz.errors import TrainError
    from charz.learning import Inference, TrainOptions, evaluate
    from charz.learning import train as train_network
    from charz.learning.energy import event_attrs

    report = Report(as_json)
    _check_checkpoint(checkpoint, resume)
    if request.scheme == HOMODYNE:
        if checkpoint is not None:
            raise TrainError(f"--checkpoint does not apply to scheme {HOMODYNE!r}: its gates take seconds")
        solve(request, 1, output, report, predict=False)
        return
    devices = load_devices(request)
    data = load_data(request)
    chosen = build_scheme(request, data, devices)
    devices = at_nodes(devices, chosen)
    options = TrainOptions(request.epochs, request.batch_size, request.patience)
    inference = Inference(request.inference, request.votes)  # type: ignore[arg-type]  # checked there
    if repeats < 1:
        raise TrainError(f"--repeats is {repeats}; the test set must be read at least once")
    warn_of_devices(report, devices)

    key_array, key_run, key_read = jax.random.split(jax.random.key(request.seed), 3)
    hardware = _one_array(key_array, chosen, devices)
    with progress_bar("training") as advance:
        trained = train_network(
            key_run[None],
            chosen,
            hardware,
            data.training,
            options,
            lambda epoch, accuracy: advance(
                epoch, request.epochs, f"validation accuracy {float(accuracy[0]):.3f}"
            ),
            checkpoint,
        )
    accuracy = evaluate(key_read[None], chosen, hardware, trained.state, data.test, repeats, inference)[0]
    quiet = evaluate(
        key_read[None], chosen, hardware, trained.state, data.test, 1, Inference("deterministic")
    )[0]

    result = _result(trained, accuracy, quiet, chosen)
    accuracies = {"accuracy": accuracy, "noise_free_accuracy": quiet[0]}
    run = run_dataset(trained, accuracies, chosen, devices, hardware)
    run.attrs |= {"data": data.source, "inference": str(inference)}
    run.attrs |= event_attrs(chosen, inference, result["counts"])
    run.attrs |= stamp(request, devices, repeats=repeats)
    store.save_result(run, output)

    report.table(
        title(request, chosen, devices),
        ("quantity", "value"),
        [
            (f"test accuracy, {inference} (mean over readings)", result["accuracy"]["mean"]),
            ("  5 % / 95 % of readings", "{q05:.4g} / {q95:.4g}".format(**result["accuracy"])),
            ("test accuracy, deterministic", result["noise_free_accuracy"]),
            ("validation accuracy at best epoch", result["validation_accuracy"]),
            ("best epoch / epochs run", f"{result['best_epoch']} / {result['epochs']}"),
            *((f"{EVENTS.get(name, name)} in training", number) for name, number in result["counts"].items()),
        ],
    )
    report.say(f"run written to {output}")
    report.finish({**result, "output": str(output)}, trustworthy=devices is None or not devices.warning)


def _check_checkpoint(checkpoint: Path | None, resume: bool) -> None:
    from charz.errors import TrainError

    if resume and (checkpoint is None or not checkpoint.exists()):
        raise TrainError(
            "--resume needs --checkpoint with the file of a training that was stopped"
            + ("" if checkpoint is None else f"; {checkpoint} does not exist")
        )
    if checkpoint is not None and checkpoint.exists() and not resume:
        raise TrainError(
            f"--checkpoint {checkpoint} exists; add --resume to go on from it, or delete it to start from the beginning"
        )


def _one_array(key: Any, scheme: "Scheme", devices: Devices | None) -> Any:
    """One crossbar of actual devices with a leading run axis of 1; None for software."""
    import jax

    if devices is None:
        return None
    believed = jax.tree.map(lambda leaf: leaf[None], devices.believed)
    return scheme.hardware(devices.sample(key, 1, (scheme.num_devices,)), believed)


def _result(trained: "Training", accuracy: Any, quiet: Any, scheme: "Scheme") -> dict[str, Any]:
    import numpy as np

    best = int(trained.best_epoch[0])
    return {
        "accuracy": {
            "mean": float(accuracy.mean()),
            "q05": float(np.quantile(accuracy, 0.05)),
            "q95": float(np.quantile(accuracy, 0.95)),
        },
        "noise_free_accuracy": float(quiet[0]),
        "validation_accuracy": float(trained.validation_accuracy[0, best - 1]),
        "best_epoch": best,
        "epochs": int(trained.num_epochs[0]),
        "counts": {name: float(number[0]) for name, number in trained.counts.items()},
        "num_devices": scheme.num_devices,
    }
