"""Speed and memory of DANP on 784-500-500-500-10, batch 64, a junction at every node, against PyTorch.

    CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_danp_speed.py --benchmark-enable

writes the table anew; figures are ratios within one run, of two threads each. By default everything runs once with few
steps, untimed, so that the benchmarks stay alive. `pip install -e '.[test,benchmarks]'` brings PyTorch; without it the
comparison is left out.
"""

import os
from functools import cache
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.devices.tunnel_junction import published_junction
from charz.learning import Batch
from charz.learning.chunks import in_chunks
from charz.learning.schemes import Danp

TABLE = Path(__file__).parents[1] / "results" / "benchmark-danp.md"
SIZES, BATCH, RATE, DECORRELATION = (784, 500, 500, 500, 10), 64, 5e-4, 1e-5
NODES = sum(SIZES[1:])
NUM_DRAWS = 8
SCHEME = Danp(SIZES, learning_rate=RATE, decorrelation_rate=DECORRELATION)
measured: dict[str, float] = {}


@pytest.fixture(scope="module")
def steps(request):
    """Steps of one epoch."""
    return 50 if request.config.option.benchmark_enable else 2


@cache
def data(steps):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(steps * BATCH, SIZES[0])).astype(np.float32)
    return x, (x @ rng.normal(size=(SIZES[0], 10))).argmax(1).astype(np.int32)


def epoch(key, noise, state, x, y):
    """One epoch as one compiled loop, with nothing leaving it but the losses."""
    rule = SCHEME.rule(noise, 1000)

    def one_step(state, step):
        index, rows = step
        state, info = rule.step(jax.random.fold_in(key, index), state, Batch(x[rows], y[rows]))
        return state, info["loss"]

    rows = jnp.arange(x.shape[0]).reshape(-1, BATCH)
    return jax.lax.scan(one_step, state, (jnp.arange(len(rows)), rows))


class Networks:
    """Networks in training: each call of `run` is an epoch of all of them."""

    def __init__(self, num_draws, steps, over_draws):
        self.keys = jax.random.split(jax.random.key(0), num_draws)
        self.noise = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (num_draws, NODES)), published_junction()
        )
        self.data = tuple(jnp.asarray(part) for part in data(steps))
        self.state = jax.jit(jax.vmap(lambda key, noise: SCHEME.rule(noise, 1000).init(key)))(
            self.keys, self.noise
        )
        whole = jax.jit(over_draws(epoch), donate_argnums=2)
        self.program = whole.lower(self.keys, self.noise, self.state, *self.data).compile()

    def run(self):
        self.state, loss = self.program(self.keys, self.noise, self.state, *self.data)
        return np.asarray(loss)

    def megabytes(self):
        memory = self.program.memory_analysis()
        return (memory.temp_size_in_bytes + memory.output_size_in_bytes) / 2**20


def together(epoch):
    return jax.vmap(epoch, in_axes=(0, 0, 0, None, None))


def one_after_another(epoch):
    return lambda keys, noise, state, x, y: jax.lax.map(lambda one: epoch(*one, x, y), (keys, noise, state))


def record(benchmark, name, num_steps):
    if benchmark.stats is not None:
        measured[name] = num_steps / benchmark.stats.stats.min


@pytest.mark.benchmark(group="DANP 784-500-500-500-10")
@pytest.mark.parametrize(
    ("name", "num_draws", "over_draws"),
    [
        ("charz, one network", 1, one_after_another),
        ("charz, 8 draws one after another", NUM_DRAWS, one_after_another),
        ("charz, 8 draws in one array", NUM_DRAWS, together),
    ],
)
def test_charz(benchmark, steps, name, num_draws, over_draws):
    if num_draws > 1 and not benchmark.enabled:
        pytest.skip("the same program for several networks; run with --benchmark-enable")
    networks = Networks(num_draws, steps, over_draws)
    losses = benchmark.pedantic(networks.run, rounds=3 if num_draws > 1 else 7, warmup_rounds=1)
    assert losses.shape == (num_draws, steps)
    assert np.isfinite(losses).all()
    record(benchmark, name, num_draws * steps)
    measured[f"{name}: MB"] = networks.megabytes()


@pytest.mark.benchmark(group="DANP 784-500-500-500-10")
def test_charz_on_threads(benchmark, steps):
    """Draws side by side on the CPUs, each with a program's run of its own: what one leaves idle another uses."""
    if not benchmark.enabled:
        pytest.skip("the same program for several networks; run with --benchmark-enable")
    networks = [Networks(1, steps, one_after_another) for _ in range(NUM_DRAWS)]
    losses = benchmark.pedantic(
        in_chunks, args=(lambda rows: networks[int(rows[0])].run(), NUM_DRAWS, 1), rounds=3, warmup_rounds=1
    )
    assert losses.shape == (NUM_DRAWS, steps)
    record(benchmark, "charz, 8 draws on threads", NUM_DRAWS * steps)
    measured["charz, 8 draws on threads: MB"] = os.cpu_count() * networks[0].megabytes()


@pytest.mark.benchmark(group="DANP 784-500-500-500-10")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("mode", "threads"), [("eager", 1), ("eager", 2), ("compiled", 2)])
def test_pytorch(benchmark, steps, mode, threads):
    """The same arithmetic, first layer shared by both passes, C R in its low-rank form, fused Adam, in place.

    On one thread too: where other processes take CPU time, two threads of OpenMP wait for each other far longer than
    they compute.
    """
    torch = pytest.importorskip(
        "torch", reason="PyTorch is only compared with: pip install -e '.[benchmarks]'"
    )
    if (mode, threads) != ("eager", 2) and not benchmark.enabled:
        pytest.skip("one way of running it is enough; run the others with --benchmark-enable")
    torch.set_num_threads(threads)
    run = torch_training(torch, *data(steps), mode == "compiled")
    losses = benchmark.pedantic(run, rounds=4, warmup_rounds=1)
    assert np.isfinite(losses).all()
    record(benchmark, f"PyTorch, {mode}, {threads} thread{'s' * (threads > 1)}", steps)


def torch_training(torch, x, y, compiled):
    """An epoch as a function, PyTorch's way: a loop of steps in Python."""
    functional = torch.nn.functional
    pairs = list(pairwise(SIZES))
    weights = [torch.nn.Parameter((2 * torch.rand(o, i) - 1) / i**0.5) for i, o in pairs]
    biases = [torch.nn.Parameter((2 * torch.rand(o) - 1) / i**0.5) for i, o in pairs]
    mixing, shift = [torch.eye(i) for i, _ in pairs], [torch.zeros(i) for i, _ in pairs]
    adam = torch.optim.Adam([*weights, *biases], lr=RATE, fused=True)
    junction = {name: float(value) for name, value in vars(published_junction()).items()}
    carried = {"state": torch.randint(0, 2, (NODES,), dtype=torch.int32)}

    def noise(state):
        flips = torch.rand(2 * BATCH, NODES) < junction["flip_up"]
        states = (torch.cumsum(flips, 0, dtype=torch.int32) + state) & 1
        read = junction["noise"] * torch.randn(2 * BATCH, NODES)
        return (junction["low"] + junction["separation"] * states + read).view(2, BATCH, NODES), states[-1]

    def direction(weights, biases, mixing, shift, state, x, y):
        volts, state = noise(state)
        now, inputs, activities = x[None], [], []
        for w, b, r, d, xi in zip(weights, biases, mixing, shift, volts.split(SIZES[1:], -1), strict=True):
            mapped = functional.linear(now, r, d)
            inputs.append(mapped[0])
            activities.append(functional.linear(mapped, w, b) + xi)
            now = functional.leaky_relu(activities[-1], 0.01)
        logits = activities[-1].reshape(2 * BATCH, -1)
        loss = functional.cross_entropy(logits, y.repeat(2), reduction="none").view(2, BATCH)
        changes = [both[0] - both[1] for both in activities]
        size = sum((change * change).sum(1) for change in changes)
        scalar = ((loss[0] - loss[1]) * NODES / size / BATCH)[:, None]
        signals = [scalar * change for change in changes]
        return inputs, signals, state, loss[0].mean()

    def decorrelate(r, d, mapped):
        """In place: X̂ᵀ(X̂R)/B - diag·R."""
        own = (mapped * mapped).mean(0)
        product = mapped @ r
        r.mul_((1 + DECORRELATION * own)[:, None]).addmm_(mapped.T, product, alpha=-DECORRELATION / BATCH)
        d.sub_(mapped.sum(0), alpha=DECORRELATION)

    def learn(weights, biases, mixing, shift, state, x, y):
        inputs, signals, state, loss = direction(weights, biases, mixing, shift, state, x, y)
        gradients = [signal.T @ mapped for signal, mapped in zip(signals, inputs, strict=True)]
        for r, d, mapped in zip(mixing, shift, inputs, strict=True):
            decorrelate(r, d, mapped)
        return gradients, [signal.sum(0) for signal in signals], state, loss

    learn = torch.compile(learn) if compiled else learn
    batches = [(torch.from_numpy(x[i : i + BATCH]), torch.from_numpy(y[i : i + BATCH]).long())
               for i in range(0, len(x), BATCH)]  # fmt: skip

    def run():
        losses = []
        with torch.no_grad():
            for rows in batches:
                gradients, offsets, state, loss = learn(
                    weights, biases, mixing, shift, carried["state"], *rows
                )
                for parameter, gradient in zip([*weights, *biases], [*gradients, *offsets], strict=True):
                    parameter.grad = gradient
                adam.step()
                carried["state"] = state
                losses.append(float(loss))
        return np.array(losses)

    return run


def test_table_is_written_on_demand():
    if not (os.environ.get("CHARZ_WRITE_RESULTS") and "PyTorch, compiled, 2 threads" in measured):
        pytest.skip(
            "timings are taken with --benchmark-enable; the table is written with CHARZ_WRITE_RESULTS=1"
        )
    rates = {name: rate for name, rate in measured.items() if not name.endswith("MB")}
    best = max(rate for name, rate in rates.items() if name.startswith("PyTorch"))
    lines = [
        f"# DANP 784-500-500-500-10, batch 64, a junction at every node, {os.cpu_count()} CPU cores",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_danp_speed.py --benchmark-enable`.",
        "50 steps an epoch, best round, compilation apart. Only ratios of one run mean anything, and these only of a",
        f"quiet machine: load average at the end of this run {os.getloadavg()[1]:.1f}, of which 1 to 2 its own.",
        "",
        "| | steps/s (all networks) | against PyTorch's best | MB reserved by XLA, data apart |",
        "|---|---|---|---|",
        *(
            f"| {name} | {rate:.0f} | {rate / best:.2f} | "
            + (f"{measured[f'{name}: MB']:.0f} |" if f"{name}: MB" in measured else "|")
            for name, rate in rates.items()
        ),
        "",
        "Eight draws against one after another: in one array (vmap) "
        f"{rates['charz, 8 draws in one array'] / rates['charz, 8 draws one after another']:.2f}, on threads "
        f"{rates['charz, 8 draws on threads'] / rates['charz, 8 draws one after another']:.2f}.",
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
