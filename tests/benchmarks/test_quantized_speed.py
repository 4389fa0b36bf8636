"""Speed of quantized and convolutional networks against PyTorch, and against their matrix products alone.

    CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_quantized_speed.py --benchmark-enable

writes the table anew; figures are ratios within one run, of two threads each where nothing else is said. By default
everything runs once with few steps, untimed. `pip install -e '.[test,benchmarks]'` brings PyTorch; without it the
comparison is left out.
"""

import os
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from charz.learning import Backprop, Batch, Gxnor
from charz.learning.architecture import parse_architecture

TABLE = Path(__file__).parents[1] / "results" / "benchmark-quantized.md"
SIZES, BATCH, SAMPLES = (784, 512, 512, 10), 200, 60_000
RATE, EPSILON, AVERAGING_RATE, GAIN = 0.01, 1e-4, 0.1, 3.0
IMAGES = parse_architecture("32C5-MP2-64C5-MP2-512-10", (28, 28, 1))
IMAGE_BATCH, IMAGE_STEPS = 100, 40
# ms a step, by what was measured; the best round.
measured: dict[str, float] = {}


@pytest.fixture(scope="module")
def steps(request):
    """Steps of the ternary network (an epoch), and of the convolutional one."""
    return (SAMPLES // BATCH, IMAGE_STEPS) if request.config.option.benchmark_enable else (2, 2)


def data(num_steps, batch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(num_steps * batch, 784)).astype(np.float32)
    order = rng.permutation(len(x)).reshape(num_steps, batch)
    return x, rng.integers(0, 10, len(x)).astype(np.int32), order


def charz_epoch(scheme, num_steps, batch):
    """One compiled loop over all steps, as training runs it; each call goes on from the last."""
    rule = scheme.rule(None, 1000)
    x, y, order = map(jnp.asarray, data(num_steps, batch))

    def epoch(state, x, y, order):
        def one_step(state, step):
            index, rows = step
            state, info = rule.step(
                jax.random.fold_in(jax.random.key(0), index), state, Batch(x[rows], y[rows])
            )
            return state, info["loss"]

        return jax.lax.scan(one_step, state, (jnp.arange(num_steps), order))

    run_epoch = jax.jit(epoch, donate_argnums=0)
    carried = {"state": jax.jit(rule.init)(jax.random.key(0))}

    def run():
        carried["state"], losses = run_epoch(carried["state"], x, y, order)
        return np.asarray(losses)

    return run


def floor_epoch(num_steps, batch):
    """Nothing but the matrix products of forward and backward pass, in the same loop."""
    x, _, order = map(jnp.asarray, data(num_steps, batch))
    weights = [jnp.ones(shape) / shape[0] for shape in pairwise(SIZES)]

    def one_step(weights, rows):
        activities = [x[rows]]
        for weight in weights:
            activities.append(activities[-1] @ weight)
        pulled, of_weights = activities[-1], []
        for weight, inputs in zip(weights[::-1], activities[-2::-1], strict=True):
            of_weights.append(inputs.T @ pulled)
            pulled = pulled @ weight.T
        # The product with the first weights, which no training needs, is left out by the compiler.
        moved = [w - 1e-12 * g for w, g in zip(weights, of_weights[::-1], strict=True)]
        return moved, activities[-1][0, 0]

    run_epoch = jax.jit(lambda weights: jax.lax.scan(one_step, weights, order)[1])
    return lambda: np.asarray(run_epoch(weights))


def record(benchmark, name, num_steps):
    if benchmark.stats is not None:
        measured[name] = 1e3 * benchmark.stats.stats.min / num_steps


def once_by_default(benchmark, is_that_one):
    if not (benchmark.enabled or is_that_one):
        pytest.skip("one of them keeps the benchmark alive; all with --benchmark-enable")


def timed(benchmark, run, name, num_steps, rounds=5):
    losses = benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)
    assert np.isfinite(losses).all()
    assert len(losses) == num_steps
    record(benchmark, name, num_steps)


@pytest.mark.benchmark(group="ternary 784-512-512-10")
def test_ternary_floor(benchmark, steps):
    timed(benchmark, floor_epoch(steps[0], BATCH), "MLP, matrix products alone", steps[0])


@pytest.mark.benchmark(group="ternary 784-512-512-10")
def test_ternary_charz(benchmark, steps):
    scheme = Gxnor(SIZES, learning_rate=RATE)
    timed(benchmark, charz_epoch(scheme, steps[0], BATCH), "MLP, charz", steps[0])


@pytest.mark.benchmark(group="ternary 784-512-512-10")
@pytest.mark.parametrize("threads", [1, 2])
def test_ternary_pytorch(benchmark, steps, threads):
    torch = pytest.importorskip("torch", reason="PyTorch is only compared with")
    once_by_default(benchmark, threads == 2)
    torch.set_num_threads(threads)
    timed(benchmark, torch_ternary(torch, steps[0]), f"MLP, PyTorch {threads}", steps[0], rounds=3)


@pytest.mark.benchmark(group="convolutional 32C5-MP2-64C5-MP2-512-10")
@pytest.mark.parametrize("kind", ["full precision", "ternary"])
def test_images_charz(benchmark, steps, kind):
    once_by_default(benchmark, kind == "full precision")
    scheme = Backprop(IMAGES, learning_rate=1e-3) if kind == "full precision" else Gxnor(IMAGES)
    timed(benchmark, charz_epoch(scheme, steps[1], IMAGE_BATCH), f"CNN, charz, {kind}", steps[1])


@pytest.mark.benchmark(group="convolutional 32C5-MP2-64C5-MP2-512-10")
@pytest.mark.parametrize("threads", [1, 2])
def test_images_pytorch(benchmark, steps, threads):
    torch = pytest.importorskip("torch", reason="PyTorch is only compared with")
    once_by_default(benchmark, threads == 2)
    torch.set_num_threads(threads)
    timed(benchmark, torch_images(torch, steps[1]), f"CNN, PyTorch {threads}", steps[1])


def torch_ternary(torch, num_steps):
    """The same arithmetic: windows, normalisation, squared hinge, Adam's step, jumps; in place where it can be."""
    functional = torch.nn.functional

    class Ternary(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            context.save_for_backward(x)
            return torch.sign(x) * (x.abs() > 1)

        @staticmethod
        def backward(context, pulled):
            (x,) = context.saved_tensors
            return pulled * ((x.abs() - 1).abs() < 0.5)

    weights = [torch.randint(-1, 2, shape).float().requires_grad_() for shape in pairwise(SIZES)]
    scales = [torch.ones(n, requires_grad=True) for n in SIZES[1:]]
    shifts = [torch.zeros(n, requires_grad=True) for n in SIZES[1:]]
    running = [(torch.zeros(n), torch.ones(n)) for n in SIZES[1:]]
    moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
    adam = torch.optim.Adam([*scales, *shifts], lr=RATE, fused=True)
    x, y, order = data(num_steps, BATCH)
    x, y, order = torch.from_numpy(x), torch.from_numpy(y).long(), torch.from_numpy(order)
    count = {"steps": 0}

    def jump(weight, moment):
        first, second = moment
        first.lerp_(weight.grad, 0.1)
        second.mul_(0.999).addcmul_(weight.grad, weight.grad, value=0.001)
        root = (second / (1 - 0.999 ** count["steps"])).sqrt_().add_(1e-8)
        change = (first / root).mul_(-RATE / (1 - 0.9 ** count["steps"]))
        change = change.add_(weight).clamp_(-1, 1).sub_(weight)
        whole = change.trunc()
        rest = change.sub_(whole)
        jumps = torch.rand_like(rest) < rest.abs().mul_(GAIN).tanh_()
        weight.add_(whole).add_(rest.sign_().mul_(jumps))

    def one_step(rows):
        count["steps"] += 1
        now = x[rows]
        for index, (weight, scale, shift) in enumerate(zip(weights, scales, shifts, strict=True)):
            now = functional.batch_norm(
                now @ weight, *running[index], scale, shift, True, AVERAGING_RATE, EPSILON
            )
            if index < len(weights) - 1:
                now = Ternary.apply(now)
        target = 2 * functional.one_hot(y[rows], 10).float() - 1
        loss = functional.relu(1 - target * now).square().mean()
        for parameter in (*weights, *scales, *shifts):
            parameter.grad = None
        loss.backward()
        adam.step()
        with torch.no_grad():
            for weight, moment in zip(weights, moments, strict=True):
                jump(weight, moment)
        return loss.item()

    return lambda: np.array([one_step(rows) for rows in order])


def torch_images(torch, num_steps):
    """Rectifiers and Adam, PyTorch's own convolution and pooling."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(32, 64, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 10),
    )  # fmt: skip
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    x, y, order = data(num_steps, IMAGE_BATCH)
    x, y = torch.from_numpy(x).view(-1, 1, 28, 28), torch.from_numpy(y).long()
    order = torch.from_numpy(order)

    def one_step(rows):
        adam.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        adam.step()
        return loss.item()

    return lambda: np.array([one_step(rows) for rows in order])


def test_table_is_written_on_demand():
    if not (os.environ.get("CHARZ_WRITE_RESULTS") and "CNN, PyTorch 2" in measured):
        pytest.skip(
            "timings are taken with --benchmark-enable; the table is written with CHARZ_WRITE_RESULTS=1"
        )
    products = measured["MLP, matrix products alone"]
    torch_mlp = min(measured[f"MLP, PyTorch {threads}"] for threads in (1, 2))
    torch_cnn = min(measured[f"CNN, PyTorch {threads}"] for threads in (1, 2))
    epoch = SAMPLES / BATCH / 1e3
    rows = {"matrix products alone": "matrix products alone", "charz": "charz", "PyTorch 1": "PyTorch, eager, 1 thread",
            "PyTorch 2": "PyTorch, eager, 2 threads"}  # fmt: skip
    lines = [
        f"# Quantized and convolutional networks, {len(os.sched_getaffinity(0))} CPU cores",
        "",
        "Made by `CHARZ_WRITE_RESULTS=1 pytest tests/benchmarks/test_quantized_speed.py --benchmark-enable`.",
        "Best round, compilation apart. Only ratios of one run mean anything, and these only of a quiet machine: load",
        f"average at the end of this run {os.getloadavg()[1]:.1f}, of which 1 to 2 its own.",
        "",
        f"Ternary {'-'.join(map(str, SIZES))}, batch {BATCH}, discrete state transition, {SAMPLES:,} samples an epoch:",
        "",
        "| | s an epoch | against the products | against PyTorch's best |",
        "|---|---|---|---|",
        *(
            f"| {title} | {measured[f'MLP, {name}'] * epoch:.2f} | {measured[f'MLP, {name}'] / products:.2f} |"
            f" {measured[f'MLP, {name}'] / torch_mlp:.2f} |"
            for name, title in rows.items()
        ),
        "",
        f"{IMAGES}, batch {IMAGE_BATCH}, Adam (full precision: rectifiers, no normalisation):",
        "",
        "| | ms a step | against PyTorch's best |",
        "|---|---|---|",
        *(
            f"| {rows.get(name, name)} | {measured[f'CNN, {name}']:.1f} | {measured[f'CNN, {name}'] / torch_cnn:.2f} |"
            for name in ("charz, full precision", "charz, ternary", "PyTorch 1", "PyTorch 2")
        ),
    ]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
