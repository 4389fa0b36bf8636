"""The table of example files, given to every test that asks for one."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _examples() -> ModuleType:
    path = Path(__file__).parent / "readers" / "examples.py"
    spec = importlib.util.spec_from_file_location("reader_examples", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with the arguments `reader_name` and `example` once for each example of each reader."""
    if {"reader_name", "example"} <= set(metafunc.fixturenames):
        pairs = [(name, one) for name, examples in _examples().EXAMPLES.items() for one in examples]
        metafunc.parametrize(
            ("reader_name", "example"), pairs, ids=[f"{name}: {one.name}" for name, one in pairs]
        )


@pytest.fixture(scope="session")
def examples() -> dict:
    """Lists of example files, by the name of their reader."""
    return _examples().EXAMPLES
