"""The parallel likelihood against the forward algorithm sample by sample, written here with a matrix exponential."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.linalg import expm

from charz.fitting.telegraph import FAMILY

MODELS = {model.name: model for model in FAMILY.models}
SIZE, INTERVAL = 301, 2e-3
TWO = {"low": 1e-4, "separation": 9e-4, "noise": 3.3e-4, "rate_up": 30.0, "rate_down": 20.0}
THREE = {
    **{"low": 1e-4, "lower_separation": 4e-4, "upper_separation": 5e-4, "noise": 3e-4},
    **{"rate_01": 30.0, "rate_02": 3.0, "rate_10": 20.0, "rate_12": 11.0, "rate_20": 2.0, "rate_21": 1e-3},
}


def record(missing=(), size=SIZE):
    generator = np.random.default_rng(1)
    state = np.cumsum(generator.random(size) < 0.05) % 2
    signal = 1e-3 * (state + 0.3 * generator.normal(size=size))
    signal[list(missing)] = np.nan
    return signal


def observed(signal):
    dataset = xr.Dataset(
        {
            "signal": (("device", "time"), np.atleast_2d(signal), {"units": "V"}),
            "sample_interval": ("device", [INTERVAL], {"units": "s"}),
        },
        coords={"device": ["a"]},
        attrs={"experiment": "telegraph"},
    )
    return FAMILY.observe(dataset)


def arrays_of(observations):
    return {name: jnp.asarray(array[0], jnp.float64) for name, array in observations.arrays.items()}


def one_by_one(signal, levels, noise, exits):
    """Log density of a record by the forward algorithm; levels (time, state)."""
    step = expm(exits * INTERVAL)
    share = np.linalg.matrix_power(expm(exits * 10.0), 10)[0]
    total = 0.0
    for time, value in enumerate(signal):
        share = share @ step if time else share
        if np.isfinite(value):
            share = share * np.exp(-0.5 * ((value - levels[time]) / noise) ** 2) / noise / np.sqrt(2 * np.pi)
        total += np.log(share.sum())
        share = share / share.sum()
    return total


def exits_of(rates, size):
    exits = np.zeros((size, size))
    for (start, end), rate in rates.items():
        exits[start, end] = rate
    return exits - np.diag(exits.sum(1))


CASES = {
    "two-state": (TWO, [1e-4, 1e-3], {(0, 1): 30.0, (1, 0): 20.0}, 0.0),
    "two-state-drift": ({**TWO, "drift": 2e-4}, [1e-4, 1e-3], {(0, 1): 30.0, (1, 0): 20.0}, 2e-4),
    "three-state": (
        THREE,
        [1e-4, 5e-4, 1e-3],
        {(int(n[-2]), int(n[-1])): r for n, r in THREE.items() if n.startswith("rate")},
        0.0,
    ),
}


@pytest.mark.parametrize("missing", [(), (0, 1, 40, 41, 150, 299, 300)])
@pytest.mark.parametrize("name", CASES)
def test_likelihood_is_that_of_the_forward_algorithm(name, missing):
    values, levels, rates, drift = CASES[name]
    signal = record(missing)
    observations = observed(signal)
    share = np.arange(SIZE) / observations.arrays["length"][0] - 0.5
    moved = np.array(levels) + drift * share[:, None]
    exact = one_by_one(signal, moved, values["noise"], exits_of(rates, len(levels)))
    with jax.enable_x64(True):
        given = {n: jnp.asarray(v, jnp.float64) for n, v in values.items()}
        terms = np.asarray(MODELS[name].log_likelihood(given, arrays_of(observations)))
    assert terms.shape == observations.blocks.shape[1:]
    assert float(terms.sum()) == pytest.approx(exact, rel=1e-10)
    assert np.all(np.abs(terms[~observations.blocks[0]]) < 1e-12)


@pytest.mark.parametrize("name", ["two-state", "two-state-drift"])
def test_likelihood_of_a_long_record_is_that_of_the_forward_algorithm(name):
    """Lanes of 133 steps, which are propagated in stretches: no time may pass between the lanes."""
    values, levels, rates, drift = CASES[name]
    size = 70_001
    signal = record((0, 500, 70_000), size)
    observations = observed(signal)
    share = np.arange(size) / observations.arrays["length"][0] - 0.5
    moved = np.array(levels) + drift * share[:, None]
    exact = one_by_one(signal, moved, values["noise"], exits_of(rates, len(levels)))
    with jax.enable_x64(True):
        given = {n: jnp.asarray(v, jnp.float64) for n, v in values.items()}
        terms = np.asarray(MODELS[name].log_likelihood(given, arrays_of(observations)))
    assert float(terms.sum()) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize(
    ("model", "values"), [("telegraph-drive", "growth"), ("telegraph-arrhenius", "stability")]
)
def test_settings_move_the_rates(model, values):
    """At a drive or temperature away from the reference the record has the likelihood of the moved rates."""
    exponent = 0.4
    distance = {"growth": ("excess", 0.2, 2.0), "stability": ("cooling", -0.1, 4.0)}[values]
    name, where, slope = distance
    with jax.enable_x64(True):
        arrays = arrays_of(observed(record())) | {name: jnp.asarray(where)}
        slopes = {f"{values}_up": jnp.asarray(slope), f"{values}_down": jnp.asarray(-slope)}
        found = float(MODELS[model].log_likelihood({**TWO, **slopes}, arrays).sum())
        moved = {"rate_up": 30 * np.exp(exponent), "rate_down": 20 * np.exp(-exponent)}
        expected = float(MODELS["two-state"].log_likelihood({**TWO, **moved}, arrays).sum())
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_block_left_out_is_the_record_less_the_record_without_it():
    signal = record((30, 31))
    observations = observed(signal)
    steps = -(-SIZE // observations.blocks.shape[1])
    with jax.enable_x64(True):
        given = {n: jnp.asarray(v, jnp.float64) for n, v in TWO.items()}
        arrays = arrays_of(observations)
        left_out = np.asarray(MODELS["two-state"].left_out(given, arrays))
        whole = float(MODELS["two-state"].log_likelihood(given, arrays).sum())
        for block in (0, 7, observations.blocks[0].sum() - 1):
            hidden = np.asarray(arrays["seen"]).copy()
            hidden[block * steps : (block + 1) * steps] = 0
            rest = MODELS["two-state"].log_likelihood(given, arrays | {"seen": jnp.asarray(hidden)}).sum()
            assert left_out[block] == pytest.approx(whole - float(rest), abs=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_value_gradient_and_curvature_are_finite_everywhere(name):
    model = MODELS[name]
    generator = np.random.default_rng(3)
    names = [parameter.linked_name for parameter in model.free]
    with jax.enable_x64(True):
        arrays = arrays_of(observed(record((5,)))) | {
            "excess": jnp.asarray(0.3),
            "cooling": jnp.asarray(-0.2),
        }

        def total(linked):
            values = model.values_from_linked(dict(zip(names, linked, strict=True)))
            return model.log_likelihood(values, arrays).sum()

        def everything(linked):
            return jax.value_and_grad(total)(linked), jax.jacfwd(jax.grad(total))(linked)

        program = jax.jit(everything)
        for power in np.linspace(-1, 2.3, 40):
            linked = jnp.asarray(generator.normal(size=len(names)) * 10**power)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(program(linked))), linked
