"""Compiled programs are kept between commands: where, when not, and without changing a result."""

import os
import subprocess
import sys

import pytest

from charz.compilation_cache import cache_folder, keep_compiled_programs, processor


def test_the_folder_is_the_users(tmp_path):
    kind = processor()
    assert cache_folder({"XDG_CACHE_HOME": "/c"}).as_posix() == f"/c/charz/compiled/{kind}"
    assert cache_folder({}).as_posix().endswith(f"/.cache/charz/compiled/{kind}")
    named = {"CHARZ_COMPILATION_CACHE": "/mine", "XDG_CACHE_HOME": "/c"}
    assert cache_folder(named).as_posix() == f"/mine/{kind}"
    assert cache_folder({"CHARZ_COMPILATION_CACHE": "off"}) is None


def test_what_the_user_set_for_jax_stays(tmp_path):
    environment = {"JAX_COMPILATION_CACHE_DIR": "/own", "XDG_CACHE_HOME": str(tmp_path)}
    assert keep_compiled_programs(environment) is None
    assert environment["JAX_COMPILATION_CACHE_DIR"] == "/own"
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_no_failure(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    environment = {"CHARZ_COMPILATION_CACHE": str(blocked / "inside")}
    assert keep_compiled_programs(environment) is None
    assert "JAX_COMPILATION_CACHE_DIR" not in environment


@pytest.fixture
def train(tmp_path):
    """`charz train` in a process of its own; the bytes of its file."""

    def run(cache, name):
        path = tmp_path / name
        call = "import charz.cli; charz.cli.main()"
        options = [
            "--scheme",
            "backprop",
            "--data",
            "iris",
            "--epochs",
            "2",
            "--repeats",
            "1",
            "-o",
            str(path),
        ]
        # On a fast machine every program of so small a network compiles sooner than is worth a file.
        always = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        environment = {**os.environ, **always, "CHARZ_COMPILATION_CACHE": str(cache)}
        # JAX, once imported, sets it for this process, and no user's shell has it.
        environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
        done = subprocess.run(
            [sys.executable, "-c", call, "train", *options], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "AOT" not in done.stderr
        return path.read_bytes()

    return run


def test_the_second_run_compiles_nothing_anew_and_gives_the_same_file(train, tmp_path):
    cache = tmp_path / "cache"
    first = train(cache, "first.nc")
    kept = {path.name for path in cache.rglob("*-cache")}
    assert kept
    assert train(cache, "second.nc") == first
    assert {path.name for path in cache.rglob("*-cache")} == kept
    assert train("off", "third.nc") == first
