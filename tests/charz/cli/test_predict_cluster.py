"""`charz predict` on worker processes and on a Dask cluster: the same file, also after a kill."""

import subprocess
import sys
import time

import pytest

distributed = pytest.importorskip("distributed", reason="pip install 'charz[dask]'")
psutil = pytest.importorskip("psutil")  # Dask needs it
COMMAND = "predict --scheme mean-variance --device mean-wire --data digits --epochs 2 --arrays 2 --seeds 1 --repeats 2"
QUICK = f"{COMMAND} --draws 3"


@pytest.fixture(scope="module")
def address():
    """A scheduler with a worker, threads of this process: what it compiles serves both."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


def test_a_cluster_writes_the_file_of_this_process(run, address, tmp_path):
    assert run(f"{QUICK} -o here.nc")[0] == 0
    code, out, err = run(f"{QUICK} -o there.nc --chunk-size 1 --dask {address}")
    assert code == 0, err
    assert "prediction written to there.nc" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here.nc", "there.nc"]
    assert (tmp_path / "here.nc").read_bytes() == (tmp_path / "there.nc").read_bytes()


def test_a_prediction_that_could_not_be_written_is_resumed(run, address, tmp_path, monkeypatch):
    assert run(f"{QUICK} -o whole.nc")[0] == 0

    def full(*_):
        raise OSError("no space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("charz.store.save_result", full)
        assert run(f"{QUICK} -o out.nc")[::2] == (2, "charz: error: no space left on device\n")
    code, _, err = run(f"{QUICK} -o out.nc")
    assert (code, err.count("\n")) == (2, 1)
    assert "out.nc.chunks exists" in err
    assert "--resume" in err
    code, _, err = run(f"{QUICK} -o out.nc --resume --seed 1")
    assert (code, err.count("\n")) == (2, 1)
    assert "a chunk of another prediction" in err
    assert run(f"{QUICK} -o out.nc --resume --dask {address}")[0] == 0
    assert (tmp_path / "out.nc").read_bytes() == (tmp_path / "whole.nc").read_bytes()
    assert not (tmp_path / "out.nc.chunks").exists()


BAD = {
    "two places": ("--workers 2 --dask tcp://127.0.0.1:1", ["--dask", "--workers 2", "exclude each other"]),
    "no workers": ("--workers 0", ["--workers is 0", "at least 1"]),
    "nothing to resume": ("--resume", ["out.nc.chunks does not exist"]),
    "chunks of nothing": ("--chunk-size 0", ["chunk_size is 0"]),
    "gates": ("--scheme homodyne --data gates --workers 2", ["--workers", "homodyne"]),
    "not an address": ("--dask no/where:at-all", ["no Dask scheduler answers at 'no/where:at-all'"]),
}


@pytest.mark.parametrize(("options", "words"), BAD.values(), ids=BAD)
def test_bad_requests_end_in_one_line(options, words, run, tmp_path):
    code, _, err = run(f"{QUICK} -o out.nc {options}")
    assert code == 2
    assert err.count("\n") == 1
    assert all(word in err for word in words)
    assert not list(tmp_path.iterdir())


def test_a_process_ends_with_the_one_line(tmp_path):
    """A client of Dask that was never closed once spoke up a minute later, on leaving Python."""
    command = [sys.executable, "-c", "from charz.cli import main; main()", *COMMAND.split()]
    command += ["--dask", "nowhere:1x", "-o", "out.nc"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


@pytest.mark.parametrize("option", ["--workers 2", "--dask tcp://127.0.0.1:8786"])
def test_dask_is_an_extra(option, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = run(f"{QUICK} -o out.nc {option}")
    assert (code, err.count("\n")) == (2, 1)
    assert "pip install 'charz[dask]'" in err


def workers_of(client):
    """Worker processes of a client, youngest last."""
    children = psutil.Process(client.pid).children()
    return sorted(
        (one for one in children if "spawn_main" in " ".join(one.cmdline())), key=lambda one: one.pid
    )


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def computes(process):
    """Whether it is neither gone nor waiting to be collected."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_client_cost_no_stored_chunk(tmp_path):
    command = [sys.executable, "-c", "from charz.cli import main; main()", *COMMAND.split()]
    command += ["--draws", "32", "--epochs", "40", "--chunk-size", "1"]

    def charz(*more):
        return subprocess.Popen([*command, *more], cwd=tmp_path, stderr=subprocess.PIPE, text=True)

    whole = charz("-o", "whole.nc")
    assert whole.wait() == 0, whole.stderr.read()
    chunks = tmp_path / "out.nc.chunks"

    def stored():
        return {path.name: path.stat().st_mtime_ns for path in chunks.glob("accuracy-*.npz")}

    client = charz("-o", "out.nc", "--workers", "2")
    wait_for(lambda: len(stored()) >= 4)
    workers = workers_of(client)
    workers[-1].kill()
    seen = len(stored())
    wait_for(lambda: len(stored()) >= seen + 4)
    workers = workers_of(client)
    client.kill()
    client.wait()
    client.stderr.close()
    before = stored()
    assert 8 <= len(before) < 64
    wait_for(lambda: not any(map(computes, workers)))  # no process outlives its client
    assert not (tmp_path / "out.nc").exists()

    again = charz("-o", "out.nc", "--workers", "1", "--resume")
    kept = {}
    while again.poll() is None:
        kept |= stored() if chunks.exists() else {}
        time.sleep(0.02)
    assert again.returncode == 0, again.stderr.read()
    again.stderr.close()
    whole.stderr.close()
    assert before.items() <= kept.items()  # nothing that was stored was computed again
    assert (tmp_path / "out.nc").read_bytes() == (tmp_path / "whole.nc").read_bytes()
    assert not chunks.exists()
