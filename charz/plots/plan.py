"""Candidate measurements: how much each is expected to narrow an interval, against its hours on the bench."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from charz.atomic import replacing


def plot_plan(plan: xr.Dataset, path: Path | str) -> None:
    """Draw a plan to a PNG file, which is replaced only when complete."""
    figure = plan_figure(plan)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def plan_figure(plan: xr.Dataset) -> Figure:
    """Build the figure of `plot_plan` without writing it."""
    names = [str(name) for name in plan["candidate"].to_numpy()]
    rows = np.arange(len(names))[::-1]
    figure = Figure(figsize=(8.0, 1.6 + 0.45 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    before, after, error = (plan[name].to_numpy() for name in ("sd_before", "sd_after", "sd_after_se"))
    unit = plan.attrs["target_unit"]
    left.axvline(before[0], color="0.5", linestyle="--", linewidth=1, label="now")
    left.errorbar(
        after, rows, xerr=1.645 * error, fmt="o", color="C0", capsize=3, label="expected (Monte Carlo 90 %)"
    )
    left.set_xlabel(f"standard deviation of {plan.attrs['target']}" + ("" if unit == "1" else f" ({unit})"))
    left.set_yticks(rows, names)
    left.set_xlim(left=0)
    left.legend(fontsize=8, loc="upper left")
    left.margins(y=0.25)
    per_hour = 100 * plan["per_hour"].to_numpy()
    right.barh(rows, per_hour, color="C0", height=0.55)
    for row, value, hours in zip(rows, per_hour, plan["hours"].to_numpy(), strict=True):
        right.annotate(
            f"{hours:.3g} h",
            (max(value, 0.0), row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    right.set_xlabel("narrower interval (% an hour)")
    right.margins(x=0.2)
    for axes in (left, right):
        axes.grid(alpha=0.3, axis="x")
    return figure
