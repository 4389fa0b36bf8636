"""`charz train` and `charz predict` with scheme homodyne: logic gates in a material, and how probable they are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from charz.cli.output import Report
from charz.cli.progress import progress_bar
from charz.cli.training_options import Request, flag
from charz.errors import TrainError

if TYPE_CHECKING:
    import xarray as xr

    from charz.learning.gates import GateRuns
    from charz.learning.schemes.homodyne import Bench

HOMODYNE = "homodyne"
SYNTHETIC = "synthetic-material"
MATERIAL_KIND = "transfer"
DATA = ("gates", "functions", "xor")
# Options of a layered network or of its devices; a material has neither.
FOREIGN = ("preprocess", "network", "read_interval", "gain", "cut", "record")


class Materials(NamedTuple):
    """Devices with a leading axis, what is believed of each, and where they come from."""

    devices: Any
    believed: Any
    sources: tuple[Path, ...]
    description: str
    warning: str


def solve(request: Request, num_draws: int, output: Path, report: Report, *, predict: bool) -> None:
    """Descend on the control voltages for every gate on every draw; report gates, or their probability."""
    import jax

    from charz import store
    from charz.datasets.logic import logic_voltages, truth_table
    from charz.learning.gates import solve_gates
    from charz.provenance import provenance

    bench, functions = _bench(request), _functions(request.data)
    key_devices, key_tones, key_starts = jax.random.split(jax.random.key(request.seed), 3)
    materials = _materials(request, key_devices, num_draws, bench.sampling_rate)
    if materials.warning:
        report.warn(f"{materials.warning}; nothing that follows from it can be trusted")
    plan = bench.tones(key_tones, materials.believed)
    low, high = bench.logic_levels(materials.believed)
    task = bench.task(plan, materials.believed.lowest.shape[-1])
    x, targets = logic_voltages(low, high), truth_table(functions)
    for line in plan.explain().splitlines():
        report.say(line)
    with progress_bar("starts") as advance:
        runs = solve_gates(
            key_starts, materials.devices, task, x, targets, bench.descent(), on_progress=advance
        )
    names = [function.name for function in functions]
    dataset = gate_dataset(runs, names)
    settings = request.settings(draws=num_draws, logic_low=low, logic_high=high)
    dataset.attrs |= {
        "kind": "gate prediction" if predict else "gate run",
        "scheme": HOMODYNE,
        "device": materials.description,
        "warning": materials.warning,
        "tones": plan.explain(),
        **provenance(sources=materials.sources, seed=request.seed, settings=settings),
    }
    store.save_result(dataset, output)
    title = f"gates by homodyne gradients, inputs {low:g} and {high:g} V ({materials.description})"
    result = (
        _say_probability(report, title, runs, names) if predict else _say_runs(report, title, runs, names)
    )
    report.say(f"{'prediction' if predict else 'run'} written to {output}")
    report.finish({"gates": result, "output": str(output)}, trustworthy=not materials.warning)


def _bench(request: Request) -> "Bench":
    from charz.learning.schemes.homodyne import Bench

    for name in FOREIGN:
        if getattr(request, name) is not None:
            raise TrainError(
                f"{flag(name)} does not apply to scheme {HOMODYNE!r}: a material is no layered network"
            )
    options = dict(request.options)
    electrodes = options.pop("data_electrodes", None)
    restarts = options.pop("restarts", None)
    if options:
        raise TrainError(
            f"{flag(next(iter(options)))} does not apply to scheme {HOMODYNE!r}; its options are --restarts,"
            " --data-electrodes, and --epochs for the measurements of each start"
        )
    data = (0, 1) if electrodes is None else _electrodes(electrodes)
    return Bench(data=data, restarts=5 if restarts is None else restarts, iterations=request.epochs)


def _electrodes(text: str) -> tuple[int, int]:
    try:
        first, second = (int(part) for part in text.split(","))
    except ValueError:
        raise TrainError(
            f"--data-electrodes {text!r} must be two electrodes joined by a comma, counted from 0, for example 0,1"
        ) from None
    return first, second


def _functions(data: str) -> tuple[Any, ...]:
    from charz.datasets.logic import FUNCTIONS, gates, logic_function

    if data not in DATA:
        raise TrainError(
            f"--data {data} is nothing that scheme {HOMODYNE!r} can learn on one material; choose one of"
            f" {', '.join(DATA)}: the six gates, all functions of two inputs that are not constant, or XOR alone"
        )
    everything = tuple(function for function in FUNCTIONS if not function.is_constant)
    return {"gates": gates(), "functions": everything, "xor": (logic_function("XOR"),)}[data]


def _materials(request: Request, key: Any, num_draws: int, sampling_rate: float) -> Materials:
    import jax

    from charz.devices import RecordedMaterial, synthetic_material

    if num_draws < 1:
        raise TrainError(f"draws is {num_draws}; it must be at least 1")
    if request.device is None:
        raise TrainError(
            f"scheme {HOMODYNE!r} needs --device POSTERIOR.nc (a {MATERIAL_KIND} record fitted with --model surrogate),"
            f" or --device {SYNTHETIC}"
        )
    if request.device == SYNTHETIC:
        drawn = jax.vmap(synthetic_material)(jax.random.split(key, num_draws))
        sources: tuple[Path, ...] = ()
        description, warning = "simulated random materials, another one in every draw", ""
    else:
        from charz.fitting import load_posterior

        path = Path(request.device)
        posterior = load_posterior(path)
        kind = posterior.family.experiment
        if kind != MATERIAL_KIND:
            raise TrainError(
                f"--device {request.device} holds {posterior.model!r} fitted to {kind} data; scheme {HOMODYNE!r}"
                f" descends on the voltages of a material, which takes a posterior of {MATERIAL_KIND} data"
            )
        drawn, sources = posterior.new_devices(key, num_draws, ()), (path,)
        description = f"{posterior.model} from {path.name}, a posterior draw of the measured material each"
        warning = "" if posterior.converged else f"{path.name} holds a fit that did not converge"
    believed = jax.tree.map(lambda leaf: leaf[0], drawn)
    return Materials(RecordedMaterial(drawn, sampling_rate), believed, sources, description, warning)


def gate_dataset(runs: "GateRuns", names: list[str]) -> "xr.Dataset":
    """All starts, labelled (draw, gate, restart), with units."""
    import numpy as np
    import xarray as xr

    dims = ("draw", "gate", "restart")
    words = {
        "correlation": ("1", "correlation of currents and targets, measured without tones"),
        "separation": ("A", "lowest high minus highest low current"),
        "noise": ("A", "standard deviation of one sample"),
        "iterations": ("1", "measurements until the best controls"),
        "redraws": ("1", "controls drawn anew because the amplifier clipped"),
    }
    variables: dict[str, Any] = {
        name: (dims, getattr(runs, name), {"units": unit, "long_name": long_name})
        for name, (unit, long_name) in words.items()
    }
    variables["solved"] = (
        dims,
        runs.solved.astype(np.int8),
        {"units": "1", "long_name": "meets the criterion"},
    )
    variables["control"] = ((*dims, "electrode"), runs.theta, {"units": "V", "long_name": "control voltage"})
    return xr.Dataset(variables, coords={"gate": names})


def _say_runs(report: Report, title: str, runs: "GateRuns", names: list[str]) -> dict[str, Any]:
    import numpy as np

    result: dict[str, Any] = {}
    for index, name in enumerate(names):
        solved = runs.solved[0, index]
        best = int(solved.argmax() if solved.any() else np.nanargmax(runs.margin[0, index]))
        where = (0, index, best)
        result[name] = {
            "solved": bool(solved.any()),
            "starts_solved": int(solved.sum()),
            "starts": int(solved.size),
            "iterations": int(runs.iterations[where]),
            "correlation": float(runs.correlation[where]),
            "separation": float(runs.separation[where]),
            "controls": [float(v) for v in runs.theta[where]],
        }
    report.table(
        title,
        ("gate", "verdict", "starts solved", "iterations", "correlation", "separation (nA)"),
        [
            (
                name,
                "solved" if one["solved"] else "not found",
                f"{one['starts_solved']} of {one['starts']}",
                one["iterations"],
                f"{one['correlation']:.3f}",
                f"{one['separation'] * 1e9:.2f}",
            )
            for name, one in result.items()
        ],
    )
    return result


def _say_probability(report: Report, title: str, runs: "GateRuns", names: list[str]) -> dict[str, Any]:
    from charz.learning.gate_report import gate_success, success_probability

    found = success_probability(gate_success(runs))
    result = {
        name: {"mean": float(m), "q05": float(low), "q95": float(high)}
        for name, m, low, high in zip(names, *found, strict=True)
    }
    report.table(
        title,
        ("gate", "success probability", "90 % interval"),
        [(n, f"{one['mean']:.2f}", f"{one['q05']:.2f} to {one['q95']:.2f}") for n, one in result.items()],
    )
    return result
