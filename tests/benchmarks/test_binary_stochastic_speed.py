"""Speed of online binary stochastic learning, 784-300-10, against eager PyTorch and NumPy that exploits sparsity.

    CHARZ_WRITE_RESULTS=1 taskset -c 0 pytest tests/benchmarks/test_binary_stochastic_speed.py --benchmark-enable

writes the table anew; figures are ratios within one run on one core. By default everything runs once with few samples,
untimed and drawn with the sparsity of handwritten digits, so that the benchmarks stay alive.
"""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.datasets import load_images
from charz.devices.example_memristor import example_memristor, example_memristors
from charz.learning import Batch, BinaryStochastic

TABLE = Path(__file__).parents[1] / "results" / "benchmark-binary-stochastic.md"
SIZES, STEP, LIMIT, NUM_DRAWS = (784, 300, 10), 0.02, 8.0, 16
IDEAL = BinaryStochastic(SIZES, carry_digits=1)
# Single devices without carry, as the ideal weights; and what learns: two digits with carry.
ON_DEVICES = {"16 memristor arrays": IDEAL, "16 memristor arrays, carry": BinaryStochastic(SIZES)}
measured: dict[str, float] = {}


@pytest.fixture(scope="module")
def presented(request):
    """Gray images and labels of a run: MNIST where it is timed, since the work follows the ink and the errors."""
    if request.config.option.benchmark_enable:
        images = load_images("mnist", preprocess="gray", root=request.getfixturevalue("data_root"))
        return images.train_x[:4000], images.train_y[:4000].astype(np.int32)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 40).astype(np.int32)
    ink = rng.uniform(size=(10, 784)) < 0.19
    return (ink[y] * rng.uniform(size=(40, 784))).astype(np.float32), y


def epoch(scheme, key, devices, state, x, y):
    """Each sample once, as one compiled loop, with nothing leaving it but the losses."""
    rule = scheme.rule(devices)

    def one_step(state, sample):
        key, image, label = sample
        state, info = rule.step(key, state, Batch(image[None], label[None]))
        return state, info["loss"]

    return jax.lax.scan(one_step, state, (jax.random.split(key, len(y)), x, y))


class Networks:
    """Networks in training: each call of `run` presents all samples to all of them."""

    def __init__(self, scheme, num_draws, presented, on_devices=False):
        self.keys = jax.random.split(jax.random.key(0), num_draws)
        self.devices = None
        if on_devices:
            believed = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, num_draws), example_memristor())
            actual = example_memristors(jax.random.key(1), num_draws, (scheme.num_devices,))
            self.devices = scheme.hardware(actual, believed)
        self.data = tuple(map(jnp.asarray, presented))
        start = jax.jit(jax.vmap(lambda key, devices: scheme.rule(devices).init(key)))
        self.state = start(self.keys, self.devices)

        def all_networks(keys, devices, state, x, y):
            return jax.lax.map(lambda one: epoch(scheme, *one, x, y), (keys, devices, state))

        whole = jax.jit(all_networks, donate_argnums=2)
        self.program = whole.lower(self.keys, self.devices, self.state, *self.data).compile()

    def run(self):
        self.state, loss = self.program(self.keys, self.devices, self.state, *self.data)
        return np.asarray(loss)


def record(benchmark, name, samples):
    if benchmark.stats is not None:
        measured[name] = samples / benchmark.stats.stats.min


@pytest.mark.benchmark(group="binary stochastic 784-300-10, online")
@pytest.mark.parametrize(("name", "num_draws"), [("one network", 1), ("16 networks", NUM_DRAWS)])
def test_charz(benchmark, presented, name, num_draws):
    networks = Networks(IDEAL, num_draws, presented)
    losses = benchmark.pedantic(networks.run, rounds=5, warmup_rounds=1)
    assert losses.shape == (num_draws, len(presented[1]))
    assert np.isfinite(losses).all()
    record(benchmark, f"charz, {name}", num_draws * len(presented[1]))


@pytest.mark.benchmark(group="binary stochastic 784-300-10, online")
@pytest.mark.parametrize("name", ON_DEVICES)
def test_charz_on_devices(request, benchmark, presented, name):
    """Posterior draws of arrays: every coincidence is a noisy pulse of a device of its own."""
    if not request.config.option.benchmark_enable and name != "16 memristor arrays, carry":
        pytest.skip("one of them keeps the benchmark alive; all with --benchmark-enable")
    few, draws = len(presented[1]) // 10, NUM_DRAWS if request.config.option.benchmark_enable else 2
    networks = Networks(ON_DEVICES[name], draws, [part[:few] for part in presented], on_devices=True)
    losses = benchmark.pedantic(networks.run, rounds=2, warmup_rounds=1)
    assert np.isfinite(losses).all()
    record(benchmark, f"charz, {name}", draws * few)


@pytest.mark.benchmark(group="binary stochastic 784-300-10, online")
def test_numpy(benchmark, presented):
    """The same rule; products and updates only of the rows and columns that are not 0."""
    x, y = presented
    rng = np.random.default_rng(0)
    w1 = (rng.normal(size=(784, 300)) / 28).astype(np.float32)
    w2 = (rng.normal(size=(300, 10)) / 300**0.5).astype(np.float32)
    b1, b2 = np.zeros(300, np.float32), np.zeros(10, np.float32)

    def run():
        for image, label in zip(x, y, strict=True):
            inked = np.flatnonzero(image)
            p1 = 1 / (1 + np.exp(-(image[inked] @ w1[inked] + b1)))
            fired = rng.random(300, np.float32) < p1
            p2 = 1 / (1 + np.exp(-(w2[fired].sum(0) + b2)))
            delta2 = -(rng.random(10, np.float32) < p2).astype(np.float32)
            delta2[label] += 1
            outputs = np.flatnonzero(delta2)
            if not outputs.size:
                continue
            error = np.sign(w2[:, outputs] @ delta2[outputs])
            delta1 = error * (rng.random(300, np.float32) < 4 * p1 * (1 - p1))
            seen = inked[rng.random(inked.size, np.float32) < image[inked]]
            w1[seen] = np.clip(w1[seen] + STEP * delta1, -LIMIT, LIMIT)
            w2[fired] = np.clip(w2[fired] + STEP * delta2, -LIMIT, LIMIT)
            np.clip(b1 + STEP * delta1, -LIMIT, LIMIT, out=b1)
            np.clip(b2 + STEP * delta2, -LIMIT, LIMIT, out=b2)

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    assert np.isfinite(w1).all()
    record(benchmark, "NumPy, sparse", len(x))


@pytest.mark.benchmark(group="binary stochastic 784-300-10, online")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_pytorch(benchmark, presented):
    torch = pytest.importorskip(
        "torch", reason="PyTorch is only compared with: pip install -e '.[benchmarks]'"
    )
    torch.set_num_threads(1)
    x, y = (torch.from_numpy(part) for part in presented)
    w1, w2 = torch.randn(300, 784) / 28, torch.randn(10, 300) / 300**0.5
    b1, b2 = torch.zeros(300), torch.zeros(10)
    wanted = torch.nn.functional.one_hot(y.long(), 10).float()

    def run():
        with torch.no_grad():
            for image, target in zip(x, wanted, strict=True):
                p1 = torch.sigmoid(torch.addmv(b1, w1, image))
                fired = torch.bernoulli(p1)
                delta2 = target - torch.bernoulli(torch.sigmoid(torch.addmv(b2, w2, fired)))
                delta1 = torch.sign(w2.T @ delta2) * torch.bernoulli(4 * p1 * (1 - p1))
                seen = torch.bernoulli(image)
                w1.addr_(delta1, seen, alpha=STEP).clamp_(-LIMIT, LIMIT)
                w2.addr_(delta2, fired, alpha=STEP).clamp_(-LIMIT, LIMIT)
                b1.add_(delta1, alpha=STEP).clamp_(-LIMIT, LIMIT)
                b2.add_(delta2, alpha=STEP).clamp_(-LIMIT, LIMIT)

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    assert bool(torch.isfinite(w1).all())
    record(benchmark, "PyTorch, eager", len(x))


def test_table_is_written_on_demand():
    if not (os.environ.get("CHARZ_WRITE_RESULTS") and "PyTorch, eager" in measured):
        pytest.skip(
            "timings are taken with --benchmark-enable; the table is written with CHARZ_WRITE_RESULTS=1"
        )
    best = max(measured["PyTorch, eager"], measured["NumPy, sparse"])
    lines = [
        "# Online binary stochastic learning, 784-300-10, one core",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 taskset -c 0 pytest tests/benchmarks/test_binary_stochastic_speed.py",
        "--benchmark-enable`. MNIST, gray; ideal weights of fixed step unless said otherwise; best of five runs",
        "over the same 4000 images (arrays of memristors: of two over 400), compilation apart. Only ratios of one run",
        "mean anything, and these only of a quiet machine: load average at the end of this run"
        f" {os.getloadavg()[1]:.1f}, of which 1 its own.",
        "",
        "| | samples/s (all networks) | against PyTorch | against the better of NumPy and PyTorch |",
        "|---|---|---|---|",
        *(
            f"| {name} | {rate:.0f} | {rate / measured['PyTorch, eager']:.2f} | {rate / best:.2f} |"
            for name, rate in measured.items()
        ),
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_one_network_is_ahead_and_sixteen_five_times():
    """Of all rivals, and of eager PyTorch."""
    if "PyTorch, eager" not in measured:
        pytest.skip("timings are taken with --benchmark-enable")
    one, torch = measured["charz, one network"], measured["PyTorch, eager"]
    assert one > max(torch, measured["NumPy, sparse"])
    assert measured["charz, 16 networks"] > 5 * torch
