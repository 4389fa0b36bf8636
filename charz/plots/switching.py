"""Switching curves: counted fractions with binomial intervals, and the posterior band of the curve."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from charz.atomic import replacing

MAX_PANELS = 6
NUM_COLUMNS = 3
NORMAL_90 = 1.6448536269514722  # two-sided 90 % point of the normal distribution


def plot_switching(curves: xr.Dataset, path: Path | str, title: str = "") -> None:
    """Draw switching curves to a PNG file.

    Few devices have a panel each; many share one, beside the band of the population where there is one. Directions
    and pulse widths have a colour each; settings of widths that are not shown are named in the title.

    Parameters
    ----------
    curves : Dataset
        As `charz.fitting.pulse.curves.switching_curves` gives it.
    path : path
        Replaced only when the new file is complete.
    title : str
        What was fitted to what.
    """
    figure = switching_figure(curves, title)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png", metadata={"Software": None})


def switching_figure(curves: xr.Dataset, title: str = "") -> Figure:
    """Build the figure of `plot_switching` without writing it."""
    curves, hidden = _with_branches(curves)
    num_devices = curves.sizes["device"]
    panels = num_devices if num_devices <= MAX_PANELS else 1
    total = panels + ("population_probability" in curves)
    columns = min(total, NUM_COLUMNS)
    rows = -(-total // columns)
    figure = Figure(figsize=(1.2 + 3.8 * columns, 0.6 + 3.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    if panels == num_devices:
        for index in range(num_devices):
            _draw_device(grid[index], curves, index)
    else:
        _draw_all_devices(grid[0], curves)
    if "population_probability" in curves:
        _draw_population(grid[total - 1], curves)
    for axes in grid[total:]:
        axes.set_visible(False)
    for axes in grid[:total]:
        axes.set_xlabel(drive_label(curves))
        axes.set_ylabel("switching probability")
        axes.set_ylim(-0.03, 1.03)
        axes.grid(alpha=0.3)
    figure.suptitle(
        title + (f" ({hidden} settings of other pulse widths not shown)" if hidden else ""), fontsize=10
    )
    return figure


def _with_branches(curves: xr.Dataset) -> tuple[xr.Dataset, int]:
    """One branch where the curves have none, and the number of settings that belong to none of them."""
    if "branch" not in curves.dims:
        bands = [name for name in ("device_probability", "population_probability") if name in curves]
        expanded = {name: curves[name].expand_dims(branch=[""], axis=1) for name in bands}
        number = (curves["num_trials"].dims, np.zeros(curves["num_trials"].shape, int))
        return curves.drop_vars(bands).assign({**expanded, "setting_branch": number}), 0
    lost = (curves["setting_branch"] < 0) & (curves["num_trials"] > 0)
    return curves, int(lost.sum())


def drive_label(curves: xr.Dataset) -> str:
    """Label of the drive axis; an unknown unit is called so."""
    unit = str(curves["drive"].attrs.get("units", "arb"))
    return f"pulse amplitude ({'unit not known' if unit == 'arb' else unit})"


def wilson_interval(num_switched: np.ndarray, num_trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""90 % interval of a binomial proportion (Wilson, J. Am. Stat. Assoc. 22, 209 (1927)).

    .. math:: \frac{\hat p + z^2/2n \pm z\sqrt{\hat p(1-\hat p)/n + z^2/4n^2}}{1 + z^2/n}
    """
    fraction, square = num_switched / num_trials, NORMAL_90**2 / num_trials
    half = np.sqrt(square * fraction * (1 - fraction) + square**2 / 4)
    centre, scale = fraction + square / 2, 1 + square
    return (centre - half) / scale, (centre + half) / scale


def _draw_measured(axes: Axes, device: xr.Dataset, branch: int, colour: str) -> None:
    measured = (device["num_trials"].to_numpy() > 0) & (device["setting_branch"].to_numpy() == branch)
    trials, switched = device["num_trials"].to_numpy()[measured], device["num_switched"].to_numpy()[measured]
    fraction = switched / trials
    low, high = wilson_interval(switched, trials)
    # Rounding can put a bound beyond the fraction by one unit in the last place.
    errors = np.maximum([fraction - low, high - fraction], 0.0)
    axes.errorbar(
        device["amplitude"].to_numpy()[measured],
        fraction,
        yerr=errors,
        fmt="o",
        color=colour,
        markersize=3,
        linewidth=0.8,
        label="fraction counted, 90 % binomial interval" if branch == 0 else None,
    )


def _draw_device(axes: Axes, curves: xr.Dataset, index: int) -> None:
    device, drive = curves.isel(device=index), curves["drive"].to_numpy()
    several = curves.sizes["branch"] > 1
    for branch, name in enumerate(curves["branch"].to_numpy()):
        low, middle, high = device["device_probability"].isel(branch=branch).to_numpy()
        label = f"90 % posterior band{', ' * several}{name}"
        axes.fill_between(drive, low, high, color=f"C{branch}", alpha=0.35, label=label)
        axes.plot(drive, middle, color=f"C{branch}", linewidth=1)
        _draw_measured(axes, device, branch, f"C{branch}" if several else "0.25")
    axes.set_title(f"device {curves['device'].to_numpy()[index]}", fontsize=9)
    if index == 0:
        axes.legend(fontsize=7, loc="lower right")


def _draw_all_devices(axes: Axes, curves: xr.Dataset) -> None:
    drive = curves["drive"].to_numpy()
    for index in range(curves.sizes["device"]):
        device = curves.isel(device=index)
        colour = f"C{index % 10}"
        measured = device["num_trials"].to_numpy() > 0
        fraction = device["num_switched"].to_numpy()[measured] / device["num_trials"].to_numpy()[measured]
        axes.plot(device["amplitude"].to_numpy()[measured], fraction, ".", color=colour, markersize=3)
        for branch in range(curves.sizes["branch"]):
            middle = device["device_probability"].isel(branch=branch).to_numpy()[1]
            axes.plot(drive, middle, color=colour, linewidth=0.7)
    axes.set_title(f"{curves.sizes['device']} devices: fractions and median curves", fontsize=9)


def _draw_population(axes: Axes, curves: xr.Dataset) -> None:
    drive = curves["drive"].to_numpy()
    several = curves.sizes["branch"] > 1
    for branch, name in enumerate(curves["branch"].to_numpy()):
        low, middle, high = curves["population_probability"].isel(branch=branch).to_numpy()
        colour, end = f"C{branch + 1}", f"{', ' * several}{name}"
        axes.fill_between(drive, low, high, color=colour, alpha=0.35, label=f"90 % of new devices{end}")
        axes.plot(drive, middle, color=colour, linewidth=1, label=f"median of new devices{end}")
    trials, switched = curves["num_trials"].to_numpy(), curves["num_switched"].to_numpy()
    measured = trials > 0
    amplitude = curves["amplitude"].to_numpy()
    axes.plot(
        amplitude[measured],
        switched[measured] / trials[measured],
        ".",
        color="0.4",
        markersize=2,
        label="fractions counted, all devices",
    )
    axes.set_title("population: a device nobody has measured", fontsize=9)
    axes.legend(fontsize=7, loc="upper left")
