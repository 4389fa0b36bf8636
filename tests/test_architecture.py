"""The map of the code, checked: who may import whom, what installs, and how large a file may be."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "charz": "charz",
    "fitting": "charz.fitting",
    "learning": "charz.learning",
    "datasets": "charz.datasets",
}
LEAVES = ("charz.fitting", "charz.learning", "charz.datasets")
# Parts of the core that stand above the three leaves: they may import everything.
ABOVE = ("charz.cli", "charz.report")
MAX_LINES = 350
BANNED_WORDS = ("util", "utils", "helper", "helpers", "manager", "handler")


def module_name(path: Path) -> str:
    """Import name of a source file, through the package mapping."""
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    parts = [FOLDERS[folder], *(rest[:-1] if rest[-1] == "__init__" else rest)]
    return ".".join(parts)


SOURCES = {module_name(path): path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))}


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Every module a file imports, wherever in the file; ``from a import b`` gives both ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def part_of(module: str) -> str:
    """The leaf a module belongs to, ``above`` for command line and reports, or ``core``."""
    if any(module.startswith(prefix) for prefix in ABOVE):
        return "above"
    return next((leaf for leaf in LEAVES if inside(module, leaf)), "core")


def forbidden_imports(module: str, tree: ast.AST) -> list[str]:
    """Imports of a module that the direction of dependencies does not allow."""
    part = part_of(module)
    wrong = []
    for name in imported_names(tree):
        target = part_of(name) if inside(name, "charz") else None
        leaf_to_leaf = target in LEAVES and part in (*LEAVES, "core") and target != part
        upward = target == "above" and part != "above"
        if leaf_to_leaf or upward:
            wrong.append(name)
        top = name.partition(".")[0]
        if (
            top in ("numpyro", "arviz", "arviz_base", "arviz_stats", "arviz_plots")
            and part != "charz.fitting"
        ):
            wrong.append(name)
        if top == "sklearn" and part not in ("charz.datasets", "charz.learning"):
            wrong.append(name)
        # The folders' own names are not importable: `import datasets` would be somebody else's package.
        if top in ("fitting", "learning", "datasets"):
            wrong.append(name)
    return wrong


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in SOURCES.items()}


def test_sources_are_found():
    assert {"charz", "charz.errors", "charz.fitting", "charz.learning.rule", "charz.datasets.idx"} <= set(
        SOURCES
    )


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_to_the_core(module, trees):
    assert forbidden_imports(module, trees[module]) == []


@pytest.mark.parametrize(
    ("module", "line", "allowed"),
    [
        ("charz.store", "import charz.fitting", False),
        ("charz.store", "from charz import learning", False),
        ("charz.store", "from charz.cli.output import Report", False),
        ("charz.store", "import numpyro", False),
        ("charz.store", "from charz.units import to_si", True),
        ("charz.cli.fit", "from charz.fitting import fit", True),
        ("charz.fitting.checks", "from arviz_stats import summary", True),
        ("charz.fitting.checks", "from charz.datasets import load_images", False),
        ("charz.learning.train", "from charz.fitting.posterior import Posterior", False),
        ("charz.learning.train", "import arviz_base", False),
        ("charz.learning.wrapper", "from sklearn.base import BaseEstimator", True),
        ("charz.fitting.pulse", "from sklearn import metrics", False),
        ("charz.datasets.images", "import datasets", False),
    ],
)
def test_the_rule_itself(module, line, allowed):
    assert (forbidden_imports(module, ast.parse(line)) == []) is allowed


@pytest.mark.parametrize("module", SOURCES)
def test_one_idea_a_file(module, trees):
    tree = trees[module]
    lines = SOURCES[module].read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_LINES
    assert ast.get_docstring(tree), "a module says in its first line what it is for"
    names = [module.rpartition(".")[2]]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"print() in line {node.lineno}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
    for name in names:
        words = re.findall(r"[a-z]+", re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
        assert not set(words) & set(BANNED_WORDS), f"{name} says nothing about what it does"


def test_every_package_is_installed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packages = {module_name(path / "__init__.py") for path in {source.parent for source in SOURCES.values()}}
    assert packages == set(settings["packages"])
    assert settings["package-dir"] == {package: folder for folder, package in FOLDERS.items()}


def test_every_package_has_an_init():
    for folder in {source.parent for source in SOURCES.values()}:
        assert (folder / "__init__.py").is_file(), f"{folder} has sources but no __init__.py"


def test_help_is_light():
    # In a fresh interpreter, so that what pytest loaded does not count.
    script = (
        "import sys\n"
        "sys.argv = ['charz', '--help']\n"
        "from charz.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as leaving:\n"
        "    assert not leaving.code, leaving.code\n"
        "heavy = {'jax', 'numpy', 'xarray', 'numpyro', 'sklearn', 'matplotlib', 'pint'} & set(sys.modules)\n"
        "sys.exit(f'imported by --help: {sorted(heavy)}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "charz" in done.stdout


def test_import_charz_is_light():
    script = "import sys, charz; sys.exit(', '.join({'jax', 'numpy', 'xarray'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["datasets", "fitting", "learning"])
def test_folder_names_are_left_to_others(name):
    # pytest runs from the root of the checkout: there, too, `import datasets` must not find our folder.
    found = importlib.util.find_spec(name)
    places = [] if found is None else [str(found.origin), *(found.submodule_search_locations or [])]
    assert not any(Path(place).is_relative_to(ROOT / name) for place in places)


def test_installed_distribution_owns_one_name():
    top_level = metadata.distribution("charz").read_text("top_level.txt")
    assert top_level is not None
    assert top_level.split() == ["charz"]


@pytest.mark.slow
def test_wheel_holds_one_package(tmp_path):
    # Built from a copy: a build leaves a folder behind, whose stale files would enter the next wheel.
    copy = tmp_path / "source"
    copy.mkdir()
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, timeout=600)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"charz"}
    for path in SOURCES.values():
        folder, *rest = path.relative_to(ROOT).parts
        assert "/".join([*FOLDERS[folder].split("."), *rest]) in names
    assert "charz/py.typed" in names
