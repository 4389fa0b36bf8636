"""`charz train`: one network on one sampled array of devices."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charz.cli.output import Report
from charz.cli.progress import progress_bar
from charz.cli.training import Devices, build_scheme, load_data, load_devices, stamp, title, warn_of_devices
from charz.cli.training_options import Json, Request, training_options

if TYPE_CHECKING:
    import xarray as xr

    from charz.learning import Scheme, Training


@training_options
def train(
    request: Request,
    output: Annotated[Path, typer.Option("-o", "--output", help="Result file (netCDF).")],
    repeats: Annotated[int, typer.Option("--repeats", help="Fresh readings of the whole test set.")] = 16,
    as_json: Json = False,
) -> None:
    """Train one network on one array drawn from a fitted device population; report its test accuracy."""
    import jax

    from charz import store
    from charz.errors import TrainError
    from charz.learning import Inference, TrainOptions, evaluate
    from charz.learning import train as train_network

    report = Report(as_json)
    devices = load_devices(request.device, request.scheme)
    batches, test, source = load_data(request)
    chosen = build_scheme(request, batches, devices)
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
            batches,
            options,
            lambda epoch, accuracy: advance(
                epoch, request.epochs, f"validation accuracy {float(accuracy[0]):.3f}"
            ),
        )
    accuracy = evaluate(key_read[None], chosen, hardware, trained.state, test, repeats, inference)[0]

    result = _result(trained, accuracy, chosen)
    run = _run_dataset(trained, accuracy, chosen, devices, hardware, result)
    run.attrs |= {"data": source, "inference": str(inference)}
    run.attrs |= stamp(request, devices, repeats=repeats)
    store.save_result(run, output)

    report.table(
        title(request, chosen, devices),
        ("quantity", "value"),
        [
            (f"test accuracy, {inference} (mean over readings)", result["accuracy"]["mean"]),
            ("  5 % / 95 % of readings", "{q05:.4g} / {q95:.4g}".format(**result["accuracy"])),
            ("validation accuracy at best epoch", result["validation_accuracy"]),
            ("best epoch / epochs run", f"{result['best_epoch']} / {result['epochs']}"),
            ("synapse measurements in training", result["reads"]),
        ],
    )
    report.say(f"run written to {output}")
    report.finish({**result, "output": str(output)}, trustworthy=devices is None or not devices.warning)


def _one_array(key: Any, scheme: "Scheme", devices: Devices | None) -> Any:
    """One crossbar of actual devices with a leading run axis of 1; None for software."""
    import jax

    if devices is None:
        return None
    believed = jax.tree.map(lambda leaf: leaf[None], devices.believed)
    return scheme.hardware(devices.sample(key, 1, (scheme.num_devices,)), believed)


def _result(trained: "Training", accuracy: Any, scheme: "Scheme") -> dict[str, Any]:
    import numpy as np

    best = int(trained.best_epoch[0])
    return {
        "accuracy": {
            "mean": float(accuracy.mean()),
            "q05": float(np.quantile(accuracy, 0.05)),
            "q95": float(np.quantile(accuracy, 0.95)),
        },
        "validation_accuracy": float(trained.validation_accuracy[0, best - 1]),
        "best_epoch": best,
        "epochs": int(trained.num_epochs[0]),
        "reads": float(trained.reads[0]),
        "num_devices": scheme.num_devices,
    }


def _run_dataset(
    trained: "Training",
    accuracy: Any,
    scheme: "Scheme",
    devices: Devices | None,
    hardware: Any,
    result: dict[str, Any],
) -> "xr.Dataset":
    """Weights of every layer, learning curves, and test readings, labelled."""
    import numpy as np
    import xarray as xr

    unit = "1" if devices is None else devices.drive_unit
    variables: dict[str, Any] = {
        "accuracy": ("repeat", np.asarray(accuracy), {"units": "1", "long_name": "test accuracy (fraction)"}),
    }
    for name in ("validation_loss", "validation_accuracy", "train_loss"):
        curve = np.asarray(getattr(trained, name)[0, : result["epochs"]])
        variables[name] = ("epoch", curve, {"units": "1", "long_name": name.replace("_", " ")})
    for index, layer in enumerate(trained.state.weights):
        weight, bias = np.asarray(layer.weight[0]), np.asarray(layer.bias[0])
        dims = (f"input_{index}", f"output_{index}")
        long_name = (
            f"weight of layer {index}" if devices is None else f"drive of the synapses of layer {index}"
        )
        variables[f"weight_{index}"] = (
            dims if weight.ndim == 2 else ("wire", *dims), weight, {"units": unit, "long_name": long_name}
        )  # fmt: skip
        variables[f"bias_{index}"] = (dims[1], bias, {"units": "1", "long_name": f"bias of layer {index}"})
    if hardware is not None:
        for name, leaf in vars(hardware.actual).items():
            variables[f"device_{name}"] = (
                "synapse", np.asarray(leaf[0]), {"long_name": f"actual {name} of each synapse's wire"}
            )  # fmt: skip
    attrs = {
        "kind": "training run",
        "scheme": scheme.name,
        "device": "" if devices is None else devices.description,
    }
    return xr.Dataset(variables, coords={"epoch": np.arange(1, result["epochs"] + 1)}, attrs=attrs)
