"""`charz reproduce`: one paper's table, measured again, beside its targets and what differs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charz.cli.output import Report
from charz.cli.progress import progress_bar
from charz.cli.training_options import Json

if TYPE_CHECKING:
    import xarray as xr

    from charz.learning.reproductions import Paper, Row, Sources


def reproduce(
    paper: Annotated[str, typer.Argument(help="ellis2023, koenders2025, li2023, boon2025 or greenberg2021.")],
    scale: Annotated[
        str,
        typer.Option(
            "--scale", help="quick: minutes, on digits; full: the paper's sets, hours (local files)."
        ),
    ] = "quick",
    seeds: Annotated[int, typer.Option("--seeds", help="Networks (or devices) a row.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random draw.")] = 0,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Result file (netCDF).")] = None,
    as_json: Json = False,
) -> None:
    """Measure one paper's table again; print it beside its targets, and say what differs from the paper."""
    import jax

    from charz import store
    from charz.errors import TrainError
    from charz.learning.reproductions import find_paper, measure

    report = Report(as_json)
    found = find_paper(paper, scale)
    if seeds < 1:
        raise TrainError(f"--seeds is {seeds}; a row needs at least one network")
    experiments = found.experiments(scale)  # type: ignore[arg-type]  # checked by find_paper
    key, sources = jax.random.key(seed), _sources(seed)
    rows: list[Row] = []
    with progress_bar("rows") as advance:
        advance(0, len(experiments), experiments[0].what)
        for index, experiment in enumerate(experiments):
            rows.append(measure(experiment, jax.random.fold_in(key, index), seeds, sources))
            following = experiments[min(index + 1, len(experiments) - 1)].what
            advance(index + 1, len(experiments), following)

    differs = found.differs(scale)  # type: ignore[arg-type]
    report.table(
        f"{found.source}, {scale}",
        ("measured", "mean", "90 % interval of the mean", "seeds", "target", "of"),
        [
            (row.what, row.mean, _said(row), row.num_seeds, row.target.text or "none known", row.target.of)
            for row in rows
        ],
    )
    report.say("what differs from the paper:")
    for line in differs:
        report.say(f"  - {line}")
    if output is not None:
        store.save_result(_dataset(found, scale, rows, differs, seed, seeds), output)
        report.say(f"table written to {output}")
    result = [{**row._asdict(), "target": row.target._asdict()} for row in rows]
    report.finish({"paper": found.name, "scale": scale, "rows": result, "differs": list(differs)})


def _said(row: "Row") -> str:
    return "one seed" if row.num_seeds < 2 else f"{row.low:.3f} to {row.high:.3f}"


def _sources(seed: int) -> "Sources":
    """Data by name, and the six gates."""
    import jax.numpy as jnp

    from charz.datasets import load_data
    from charz.datasets.logic import gates, logic_voltages, truth_table
    from charz.learning import Batch, TrainingData
    from charz.learning.reproductions import Sources

    def batch(x: Any, y: Any) -> Batch:
        return Batch(jnp.asarray(x), jnp.asarray(y))

    def load(name: str, preprocess: str) -> tuple[TrainingData, Batch]:
        images = load_data(name, seed=seed, preprocess=preprocess)
        training = TrainingData(
            batch(images.train_x, images.train_y), batch(images.validation_x, images.validation_y)
        )
        return training, batch(images.test_x, images.test_y)

    return Sources(load, (logic_voltages(), truth_table(gates())))


def _dataset(
    paper: "Paper", scale: str, rows: "list[Row]", differs: tuple[str, ...], seed: int, seeds: int
) -> "xr.Dataset":
    import xarray as xr

    from charz.provenance import provenance

    columns = {
        "mean": "mean over seeds (fraction)",
        "low": "lower end of the 90 % interval of the mean",
        "high": "upper end of the 90 % interval of the mean",
    }
    variables: dict[str, Any] = {
        name: ("row", [getattr(row, name) for row in rows], {"units": "1", "long_name": text})
        for name, text in columns.items()
    }
    variables["target"] = (
        "row",
        [f"{row.target.text} ({row.target.of})" for row in rows],
        {"long_name": "target"},
    )
    attrs = {
        "kind": "reproduction",
        "paper": paper.source,
        "scale": scale,
        "differs": list(differs),
        **provenance(sources=(), seed=seed, settings={"paper": paper.name, "scale": scale, "seeds": seeds}),
    }
    return xr.Dataset(variables, coords={"row": [row.what for row in rows]}, attrs=attrs)
