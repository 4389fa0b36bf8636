"""Predictions on a Dask cluster: real processes on the loopback address, the bits of this process, losses."""

import json
import os
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from charz.devices import mean_wire, published_junction
from charz.devices.junction_pair import example_junction
from charz.errors import TrainError
from charz.learning import Danp, Design, GxnorMtj, MeanVariance, TrainOptions, predict_accuracy
from charz.learning.architecture import parse_architecture
from charz.learning.cluster import local_client, on_cluster, remote_client
from charz.learning.work import Part, finish

distributed = pytest.importorskip("distributed", reason="pip install 'charz[dask]'")
dask_config = pytest.importorskip("dask").config.set
dask_scheduler = pytest.importorskip("dask").base.get_scheduler
SCHEME = MeanVariance((64, 10), num_reads=1, drive_range=(2.6, 6.6))
DESIGN = Design(draws=3, arrays=2, seeds=2, repeats=2)
WIDE = {
    "mean-variance": (MeanVariance((64, 512, 10), num_reads=4, drive_range=(2.6, 6.6)), mean_wire()),
    "danp": (Danp((64, 512, 512, 10), learning_rate=0.02), published_junction()),
    "gxnor-mtj": (
        GxnorMtj(parse_architecture("16C3-MP2-256-10", (8, 8, 1))),
        example_junction(),
    ),
}
NETWORKS = DESIGN.num_networks


def dask(*arguments, **environment):
    """A process of Dask on the loopback address."""
    command = [
        sys.executable,
        "-m",
        f"distributed.cli.dask_{arguments[0]}",
        "--host",
        "127.0.0.1",
        "--no-dashboard",
    ]
    without = {name: value for name, value in os.environ.items() if name != "NPROC"}
    return subprocess.Popen(
        [*command, *map(str, arguments[1:])], env={**without, **environment}, stderr=subprocess.DEVNULL
    )


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder):
        self.file = folder / "scheduler.json"
        self.processes = [dask("scheduler", "--port", 0, "--scheduler-file", self.file)]
        while not self.file.exists() or not self.file.read_text().endswith("}"):
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]

    def add_worker(self, **environment):
        worker = dask("worker", self.address, "--nthreads", 1, "--no-nanny", **environment)
        self.processes.append(worker)
        return worker

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two workers: JAX of one has three threads, that of the other is told to have one; here it has one a CPU."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.workers = [cluster.add_worker(NPROC="3"), cluster.add_worker()]
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def client(cluster):
    with distributed.Client(cluster.address) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.fixture(scope="module")
def predict(digits, population):
    data, test = digits

    def call(mode="in-situ", seed=0, **options):
        options = {"design": DESIGN, "options": TrainOptions(epochs=3), **options}
        network = (options.pop("scheme", SCHEME), options.pop("population", population()))
        believed = options.pop("believed", mean_wire())
        return predict_accuracy(jax.random.key(seed), *network, believed, data, test, mode=mode, **options)

    return call


@pytest.fixture(scope="module")
def expected(predict, cluster):
    """Of this process; computed while the workers, which are first asked for, start."""
    return {mode: predict(mode) for mode in ("in-situ", "transfer")}


class Stop(Exception):
    """What ends a prediction before its time."""


def stopping_after(number):
    """A listener that ends a prediction when so many networks are done."""

    def listen(done, total):
        if done >= number:
            raise Stop

    return listen


def test_workers_give_the_bits_of_this_process(predict, expected, client):
    """Whatever the chunks, the number of workers, and the threads of each one's JAX."""
    for mode in expected:
        for chunk_size in (1, 5):
            assert expected[mode].identical(predict(mode, client=client, chunk_size=chunk_size))
    computed = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert min(computed.values()) > 1, computed
    assert sorted(client.run(lambda: os.environ["NPROC"]).values()) == ["1", "3"]


def trained(chunks):
    """Every array of what was trained, by file."""
    files = sorted(chunks.glob("trained-*.npz"))
    return {f"{path.name}: {name}": array for path in files for name, array in np.load(path).items()}


def test_every_bit_of_a_trained_network_is_the_same(predict, client, tmp_path):
    """Accuracies are coarse; what was learnt is not."""
    check_states(predict, client, tmp_path, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", WIDE)
def test_wide_layers_do_not_depend_on_threads(name, predict, client, tmp_path):
    """Products large enough that XLA could share them among the threads of a worker."""
    scheme, device = WIDE[name]

    def alike(key, num_draws, shape):
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_draws, *shape)), device)

    options = {"scheme": scheme, "population": alike, "believed": device, "options": TrainOptions(epochs=2)}
    check_states(predict, client, tmp_path, options)


def check_states(predict, client, folder, options):
    """Here and on the workers, two of which have JAX with one thread and with three."""
    here = predict("transfer", chunk_size=1, chunks=folder / "here", **options)
    there = predict("transfer", chunk_size=1, chunks=folder / "there", client=client, **options)
    assert here.identical(there)
    states = trained(folder / "here"), trained(folder / "there")
    assert states[0].keys() == states[1].keys()
    assert len(states[0]) > 2 * DESIGN.seeds
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name], err_msg=name)


@pytest.mark.parametrize("mode", ["in-situ", "transfer"])
@pytest.mark.parametrize("resumed_on", ["cluster", "process"])
def test_a_stopped_prediction_goes_on_elsewhere(mode, resumed_on, predict, expected, client, tmp_path):
    """To the same bits, in chunks of another size, with nothing computed again that was stored."""
    first, second = (None, client) if resumed_on == "cluster" else (client, None)
    chunks = tmp_path / "chunks"
    with pytest.raises(Stop):
        predict(mode, chunks=chunks, client=first, chunk_size=2, on_progress=stopping_after(6))
    stored = {path: path.stat().st_mtime_ns for path in chunks.iterdir()}
    assert len(stored) >= 3
    seen = []
    again = predict(
        mode,
        chunks=chunks,
        client=second,
        chunk_size=3,
        resume=True,
        on_progress=lambda done, _: seen.append(done),
    )
    assert expected[mode].identical(again)
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    rows = [np.load(path)["leaf_0000"] for path in chunks.glob("accuracy-*.npz")]
    assert sorted(np.concatenate(rows)) == list(range(NETWORKS))


def test_chunks_of_another_prediction_are_refused(predict, tmp_path):
    chunks = tmp_path / "chunks"
    with pytest.raises(Stop):
        predict(chunks=chunks, on_progress=stopping_after(1))
    with pytest.raises(TrainError, match="chunks exists, with chunks of a prediction that was stopped"):
        predict(chunks=chunks)
    with pytest.raises(TrainError, match=r"a chunk of another prediction .* delete the folder"):
        predict(chunks=chunks, resume=True, seed=1)
    with pytest.raises(TrainError, match="a chunk of another prediction"):
        predict(chunks=chunks, resume=True, options=TrainOptions(epochs=4))
    for path in chunks.iterdir():
        path.write_bytes(b"cut short")
    with pytest.raises(TrainError, match="not the state of a run"):
        predict(chunks=chunks, resume=True)


def test_chunks_need_their_folder(predict, tmp_path):
    with pytest.raises(TrainError, match=r"resume .* needs .*none does not exist"):
        predict(chunks=tmp_path / "none", resume=True)
    with pytest.raises(FileNotFoundError, match="create it first"):
        predict(chunks=tmp_path / "none" / "chunks")


def test_other_versions_are_refused(predict, client, monkeypatch):
    monkeypatch.setattr("charz.learning.cluster.versions", lambda: ("charz 0.0.0",))
    with pytest.raises(TrainError, match=r"would give other bits than this process with charz 0.0.0"):
        predict(client=client)


def test_a_lost_worker_costs_its_chunk_alone(predict, expected, client, cluster):
    """Killed after the first chunk; the other worker does the rest, and no chunk comes twice."""
    seen = []

    def listen(done, total):
        if not seen:
            cluster.workers[0].kill()
        seen.append(done)

    again = predict(client=client, chunk_size=1, on_progress=listen)
    assert expected["in-situ"].identical(again)
    assert seen == list(range(1, NETWORKS + 1))
    assert cluster.workers[0].wait() == -signal.SIGKILL


def test_without_workers_nothing_is_waited_for_long(predict, monkeypatch):
    monkeypatch.setattr("charz.learning.cluster.PATIENCE", 0.1)
    expected = pytest.raises(TrainError, match=r"has had no worker for 0.1 s; start some with `dask worker")
    with empty_cluster() as cluster, distributed.Client(cluster) as client, expected:
        predict(client=client)


def test_nothing_answers(monkeypatch):
    monkeypatch.setattr("charz.learning.cluster.PATIENCE", 0.5)
    with pytest.raises(TrainError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:1'"):
        remote_client("tcp://127.0.0.1:1").__enter__()


@pytest.mark.slow
def test_a_chunk_that_kills_every_worker_is_given_up():
    with dask_config({"distributed.scheduler.allowed-failures": 0}), empty_cluster() as cluster:
        worker = dask("worker", cluster.scheduler_address, "--no-nanny")
        with distributed.Client(cluster) as client:
            fatal = Part("fatal", lambda shared, own: os._exit(1), None, lambda rows: rows, 1)
            with pytest.raises(TrainError, match="lost with every worker that tried it"):
                finish(fatal, 1, on_cluster(client))
        worker.wait()


@pytest.mark.slow
def test_a_lost_scheduler_is_said(cluster_of_one):
    """What was stored stays; the rest needs another cluster."""
    cluster, client = cluster_of_one
    slow = Part("slow", lambda shared, own: time.sleep(0.2) or own, None, lambda rows: rows, 100)
    with pytest.raises(TrainError, match="its scheduler was probably stopped"):
        finish(slow, 1, on_cluster(client), on_progress=lambda done: cluster.stop())


@pytest.fixture
def cluster_of_one(tmp_path):
    cluster = Cluster(tmp_path)
    cluster.add_worker()
    with distributed.Client(cluster.address, timeout=1) as client:
        yield cluster, client
    cluster.stop()


def empty_cluster():
    """A scheduler in this process, without workers."""
    return distributed.LocalCluster(
        n_workers=0, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address="127.0.0.1:0"
    )


@pytest.mark.parametrize("number", [0, -1])
def test_a_cluster_has_workers(number):
    with pytest.raises(TrainError, match=f"{number} workers cannot compute anything"), local_client(number):
        pass


@pytest.mark.parametrize("address", ["no/where:at-all", "foo://x:1", "tcp://127.0.0.1:9"])
def test_a_scheduler_that_does_not_answer_is_nobody_elses_scheduler(tmp_path, monkeypatch, address):
    """xarray takes its locks from Dask's default scheduler; a failed connection stayed it while the error was held."""
    monkeypatch.setattr("charz.learning.cluster.PATIENCE", 0.5)
    before = dask_scheduler()
    held = pytest.raises(TrainError, match="no Dask scheduler answers")
    with held, remote_client(address):
        pass
    assert dask_scheduler() == before
    written = xr.Dataset({"v": ("x", np.arange(3.0))})
    written.to_netcdf(tmp_path / "file.nc", engine="scipy")
    with xr.open_dataset(tmp_path / "file.nc", engine="scipy") as read:
        xr.testing.assert_identical(read, written)


def test_a_cluster_of_a_prediction_is_nobody_elses_scheduler():
    before = dask_scheduler()
    with local_client(1):
        assert dask_scheduler() == before


def test_dask_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    for place in (local_client(1), remote_client("tcp://127.0.0.1:8786")):
        with pytest.raises(TrainError, match=r"pip install 'charz\[dask\]'"), place:
            pass
