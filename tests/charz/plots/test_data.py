"""Pictures of data: for every kind the axes, their units, and what is shown."""

import numpy as np
import pytest
import xarray as xr

from charz.errors import SchemaError
from charz.kinds import KINDS
from charz.plots.axis import scale_of
from charz.plots.data import data_figure, plot_data
from charz.schema import validate

rng = np.random.default_rng(11)
UNITS = {"threshold": "V", "amplitude": "V", "field": "A/m", "voltage": "V", "current": "A", "signal": "V"}
UNITS |= {"conductance": "S", "resistance": "ohm", "elapsed": "s", "width": "s", "sample_interval": "s"}


def dataset(kind, attrs=None, units=None, **variables):
    data = {}
    for name, values in variables.items():
        variable = KINDS[kind].variable(name)
        unit = (units or {}).get(name) or (UNITS[name] if variable.units != ("1",) else "1")
        data[name] = (variable.dims, np.asarray(values), {"units": unit, "long_name": variable.long_name})
    coords = {}
    if KINDS[kind].dims[0] == "device":
        coords["device"] = [f"d{i}" for i in range(next(iter(data.values()))[1].shape[0])]
    return validate(xr.Dataset(data, coords, {"experiment": kind, **(attrs or {})}))


def pulse_switching(devices=3):
    amplitude = np.tile([0.1, 0.2, 0.3, np.nan], (devices, 1))
    trials = np.where(np.isnan(amplitude), 0, 20)
    switched = np.tile([0, 9, 20, 0], (devices, 1))
    width = np.tile([1e-8, 1e-7, 1e-7, np.nan], (devices, 1))
    return dataset(
        "pulse_switching", amplitude=amplitude, width=width, num_trials=trials, num_switched=switched
    )


def ramp_switching(devices=3):
    threshold = rng.weibull(5, (devices, 50)) * 2e-3
    return dataset("ramp_switching", threshold=threshold, censored=rng.integers(0, 4, (devices, 50)))


def telegraph(devices=3, samples=500):
    return dataset("telegraph", signal=rng.random((devices, samples)), units={"signal": "arb"})


def pulse_train(devices=3, cycles=4, pulses=20):
    shape = (devices, cycles, pulses)
    return dataset(
        "pulse_train", conductance=1e-6 * rng.random(shape), polarity=rng.choice([-1.0, 1.0], shape)
    )


def iv_sweep(devices=3, cycles=4):
    voltage = np.sin(np.linspace(0, 2 * np.pi, 101)) * np.ones((devices, cycles, 1))
    return dataset("iv_sweep", voltage=voltage, current=1e-4 * voltage)


def retention(devices=3, first=1.0, last=1e4):
    elapsed = np.tile(np.geomspace(first, last, 40), (devices, 1))
    return dataset("retention", elapsed=elapsed, resistance=1e4 * (1 + 0.1 * rng.random((devices, 40))))


def transfer(electrodes=3):
    return dataset("transfer", voltage=rng.random((60, electrodes)), current=1e-9 * rng.random(60))


def hysteresis(devices=3):
    field = 5e4 * np.cos(np.linspace(0, 2 * np.pi, 101)) * np.ones((devices, 2, 1))
    return dataset("hysteresis", field=field, signal=np.tanh(field / 1e4), units={"signal": "1"})


MAKERS = {
    maker.__name__: maker
    for maker in (
        pulse_switching, ramp_switching, telegraph, pulse_train, iv_sweep, retention, transfer, hysteresis
    )
}  # fmt: skip

# kind: labels of the axes (x, y) in the order in which panels are made
LABELS = {
    "pulse_switching": [("pulse amplitude (mV)", "fraction switched")] * 3,
    "ramp_switching": [("cycle", "drive at switching (mV)"), ("fraction of cycles at or below", "")],
    "telegraph": [("sample (interval not known)", "signal (unit not known)"), ("samples", "")] * 3,
    "pulse_train": [("pulse", "conductance after the pulse (nS)")] * 3,
    "iv_sweep": [("", "current (µA)")]
    + [("", "")] * 2
    + [("voltage (V)", "|current| (A)")]
    + [("voltage (V)", "")] * 2,
    "retention": [("time since the start of the record (s)", "resistance (kΩ)")],
    "transfer": [("sample", "output current (pA)"), ("control voltage (V)", "output current (pA)")]
    + [("control voltage (V)", "")] * 2,
    "hysteresis": [("swept drive (kA/m)", "signal")] * 3,
}


def panels(figure):
    return [axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]


@pytest.mark.parametrize("kind", KINDS)
def test_axes_bear_their_units(kind):
    found = [(axes.get_xlabel(), axes.get_ylabel()) for axes in panels(data_figure(MAKERS[kind]()))]
    assert found == LABELS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_whole_and_the_same_twice(kind, tmp_path):
    data = MAKERS[kind]()
    for name in ("a.png", "b.png"):
        plot_data(data, tmp_path / name, "title")
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert content == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "transfer"])
@pytest.mark.parametrize("devices", [1, 4, 40])
def test_what_is_not_shown_is_said(kind, devices):
    figure = data_figure(MAKERS[kind](devices), "my title")
    heading = figure.get_suptitle()
    assert heading.startswith("my title")
    assert ("of 40 devices shown" in heading) == (devices == 40)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_single_values_are_drawn(kind, tmp_path):
    data = MAKERS[kind]()
    last = KINDS[kind].dims[-1] if kind != "transfer" else "sample"
    plot_data(data.isel({last: slice(0, 1)}), tmp_path / "one.png")
    name = next(name for name in data if data[name].dtype.kind == "f")
    holes = data.copy()
    if kind not in ("pulse_switching",):
        holes[name] = data[name].where(data[name] > np.inf).assign_attrs(data[name].attrs)
        plot_data(holes, tmp_path / "none.png")


def test_long_traces_keep_their_extremes():
    signal = rng.random((1, 1_000_000))
    signal[0, 123_456], signal[0, 765_432] = 9.0, -9.0
    data = dataset("telegraph", signal=signal, sample_interval=[1e-6])
    trace = panels(data_figure(data))[0]
    (line,) = trace.get_lines()
    x, y = line.get_data()
    assert len(y) <= 1600
    assert (y.max(), y.min()) == (9.0, -9.0)
    assert x[np.argmax(y)] == pytest.approx(0.123456)
    assert trace.get_xlabel() == "time (s)"


@pytest.mark.parametrize(("last", "scale"), [(1e4, "log"), (50.0, "linear")])
def test_time_is_logarithmic_above_two_decades(last, scale):
    assert panels(data_figure(retention(last=last)))[0].get_xscale() == scale


def test_time_zero_is_not_on_a_logarithmic_axis():
    data = retention(2)
    data["elapsed"] = data["elapsed"].copy(data=data["elapsed"].values - 1.0)
    data["elapsed"].values[:, 1] = 0.5
    assert "2 points at time zero" in data_figure(data).get_suptitle()


def test_censored_thresholds_are_marked():
    legend = panels(data_figure(ramp_switching()))[0].get_legend()
    words = [text.get_text() for text in legend.get_texts()]
    assert words == [
        "d0",
        "d1",
        "d2",
        "left-censored (lies below)",
        "right-censored (lies above)",
        "interval-censored",
    ]


def test_pulse_widths_have_their_colours():
    legend = panels(data_figure(pulse_switching()))[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["10 ns", "100 ns"]


def test_branches_are_told_apart():
    axes = panels(data_figure(hysteresis(1)))[0]
    for line in axes.get_lines():
        x, y = line.get_data()
        x = x[np.isfinite(y)]
        steps = np.sign(np.diff(x))
        assert abs(steps.mean()) > 0.9


def test_one_pulse_a_cycle_is_drawn_against_the_cycle():
    axes = panels(data_figure(pulse_train(1, 30, 1)))[0]
    assert axes.get_xlabel() == "cycle"
    assert len(axes.get_lines()[0].get_xdata()) == 30


@pytest.mark.parametrize(
    ("size", "unit", "factor", "label"),
    [
        (0.02, "V", 1e-3, "x (mV)"),
        (0.998, "V", 1.0, "x (V)"),
        (3e-7, "A", 1e-9, "x (nA)"),
        (-4e5, "A/m", 1e3, "x (kA/m)"),
        (2e4, "s", 1.0, "x (s)"),
        (5e4, "ohm", 1e3, "x (kΩ)"),
        (1e30, "V", 1e12, "x (TV)"),
        (1e-30, "V", 1e-15, "x (fV)"),
        (0.0, "V", 1.0, "x (V)"),
        (np.nan, "V", 1.0, "x (V)"),
        (0.02, "arb", 1.0, "x (unit not known)"),
        (0.02, "1", 1.0, "x"),
    ],
)
def test_prefixes(size, unit, factor, label):
    found = scale_of(xr.DataArray([size], attrs={"units": unit, "long_name": "x"}))
    assert found.factor == pytest.approx(factor)
    assert found.label == label


def test_bad_targets_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        plot_data(telegraph(), tmp_path / "nowhere" / "a.png")
    with pytest.raises(SchemaError, match="no kind"):
        plot_data(telegraph().assign_attrs(experiment="video"), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
