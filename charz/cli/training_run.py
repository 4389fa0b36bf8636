"""One training run as a labelled dataset: weights, what the estimator learnt beside them, curves, devices."""

from typing import TYPE_CHECKING, Any

from charz.cli.training_devices import Devices

if TYPE_CHECKING:
    import xarray as xr

    from charz.learning import Scheme, Training


def run_dataset(
    trained: "Training", accuracies: dict[str, Any], scheme: "Scheme", devices: Devices | None, hardware: Any
) -> "xr.Dataset":
    """Weights of every layer, learning curves, and test readings of every inference mode.

    Parameters
    ----------
    trained : Training
        Of one run.
    accuracies : dict
        Readings of the test set, (repeat,) or (), by variable name.
    scheme, devices, hardware
        What was trained on which devices.
    """
    import jax
    import numpy as np
    import xarray as xr

    from charz.devices import RecordedNoise

    role = type(scheme).devices
    unit = "1" if role != "synapse" or devices is None else devices.drive_unit
    what = "drive of the synapses" if role == "synapse" else "weight"
    epochs = int(trained.num_epochs[0])
    variables: dict[str, Any] = {
        name: (
            ("repeat",) if np.ndim(readings) else (),
            np.asarray(readings),
            {"units": "1", "long_name": f"test {name.replace('_', ' ')} (fraction)"},
        )
        for name, readings in accuracies.items()
    }
    for name, number in trained.counts.items():
        said = {
            "units": "s" if name.endswith("_time") else "1",
            "long_name": f"{name.replace('_', ' ')} in training",
        }
        variables[f"count_{name}"] = ((), np.asarray(number[0]), said)
    for name in ("validation_loss", "validation_accuracy", "train_loss"):
        curve = np.asarray(getattr(trained, name)[0, :epochs])
        variables[name] = ("epoch", curve, {"units": "1", "long_name": name.replace("_", " ")})
    for index, layer in enumerate(jax.vmap(scheme.parameters)(hardware, trained.state)):
        # Of a convolution the inputs are (row, column, channel); beside weights stand a bias, or scale and shift.
        dims = (f"input_{index}", f"output_{index}")
        for name, values in layer._asdict().items():
            value, is_weight = np.asarray(values[0]), name == "weight"
            variables[f"{name}_{index}"] = (
                ("wire", *dims)[3 - value.ndim :] if is_weight else dims[1],
                value,
                {
                    "units": unit if is_weight else "1",
                    "long_name": f"{what if is_weight else name} of layer {index}",
                },
            )
    variables |= _leaves("estimator", trained.state.estimator, "state of the estimator")
    if hardware is not None:
        if role == "memristor":
            variables |= _leaves(
                "conductance", trained.state.weights.arrays, "array, digit: conductances, in S"
            )
        actual = getattr(hardware, "actual", hardware)
        # A replayed record may have a billion samples: the result names its file and checksum instead.
        if not isinstance(actual, RecordedNoise):
            variables |= _leaves("device", actual, "actual value of each device", "device")
    attrs = {"kind": "training run"}
    return xr.Dataset(variables, coords={"epoch": np.arange(1, epochs + 1)}, attrs=attrs)


def _leaves(prefix: str, tree: Any, long_name: str, dim: str = "") -> dict[str, Any]:
    """Every array of a pytree of one run, named by its place."""
    import jax
    import numpy as np

    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        parts = [str(getattr(key, "name", getattr(key, "idx", key))) for key in path]
        name, value = "_".join((prefix, *parts)), np.asarray(leaf[0])
        dims = (dim,) if dim and value.ndim == 1 else tuple(f"{name}_{axis}" for axis in range(value.ndim))
        found[name] = (dims, value, {"long_name": f"{' '.join(parts)}: {long_name}"})
    return found
