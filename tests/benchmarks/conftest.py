"""What benchmarks share: a process of one's own, where nothing is compiled yet and the peak of memory is its own."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest


@pytest.fixture
def in_a_process(monkeypatch):
    """Function from a function of the test's module, and its arguments, to what it gives."""

    def run(function, *arguments):
        # The new process finds the module by its path from the root, and takes over the places to look in. At the end
        # of them, for the root's own folders must not hide installed packages.
        monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[2])])
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(function, *arguments).result()

    return run
