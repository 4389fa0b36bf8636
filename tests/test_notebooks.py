"""Every notebook runs from top to bottom, shortened by CHARZ_NOTEBOOK_QUICK=1, and is committed with its output."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def read(name):
    return nbformat.read(FOLDER / name, as_version=4)


def test_there_are_notebooks():
    assert NOTEBOOKS


# One story runs by default; compiling the models of all families again would double the suite's time.
EXECUTED = [
    pytest.param(name, marks=() if name.startswith("01") else pytest.mark.slow, id=name) for name in NOTEBOOKS
]


@pytest.mark.parametrize("name", EXECUTED)
def test_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.setenv("CHARZ_NOTEBOOK_QUICK", "1")
    client = NotebookClient(
        read(name), timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    errors = [
        output.text
        for cell in code_cells(client.nb)
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert errors == [], "a warning in a notebook's output confuses its reader"
    assert list(tmp_path.iterdir()) == [], "a notebook leaves no files behind"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_committed_with_its_output(name):
    notebook = read(name)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
    images = [o for cell in cells for o in cell.outputs if "image/png" in o.get("data", {})]
    assert images, "plots are part of the story"
    assert not any(cell.metadata for cell in notebook.cells), "no timestamps or editor state"
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert "simulated" in text
    for private in ("/tmp/", "/home/", "/root/", str(FOLDER.parent)):
        assert private not in text
