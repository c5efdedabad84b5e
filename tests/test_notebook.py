"""The notebook runs from its first cell to its last, without a network."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need nbformat: pip install '.[dev]'")
nbclient = pytest.importorskip("nbclient", reason="notebooks need nbclient: pip install '.[dev]'")
pytest.importorskip("ipykernel", reason="notebooks need ipykernel: pip install '.[dev]'")

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "quickstart.ipynb"
# What conftest.py does for the tests' own process.
NO_NETWORK = """
import socket
_connect = socket.socket.connect
def _connect_locally(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"The notebook asked the network for {address}.")
    return _connect(self, address)
socket.socket.connect = _connect_locally
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What every code cell printed and showed as text, by position among the code cells."""
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HOME", "TMPDIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
            (folder / name).mkdir()
            patch.setenv(name, str(folder / name))
        patch.setenv("OMP_NUM_THREADS", "1")
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(NO_NETWORK))
        client = nbclient.NotebookClient(
            notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
        )
        client.execute()
    return [text_of(cell) for cell in notebook.cells[1:] if cell.cell_type == "code"]


def text_of(cell):
    texts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            texts.append(output.text)
        elif "data" in output:
            texts += [output.data.get("text/plain", ""), *output.data.keys()]
    return "\n".join(texts)


def one(outputs, pattern):
    (found,) = [match for output in outputs if (match := re.search(pattern, output))]
    return found


def test_nothing_is_installed_where_the_package_is_there(outputs):
    assert outputs[0] == ""


def test_the_sample_is_read(outputs):
    assert one(outputs, r"\d\.\d\d  (The letter came by the morning post\.)")


def test_the_beam_search_lists_three_texts(outputs):
    (listed,) = [
        output for output in outputs if len(re.findall(r"^\d\.\d{4}  ", output, re.M)) == 3
    ]
    assert "The letter came by the morning post." in listed


def test_four_cells_show_pictures(outputs):
    assert sum("image/png" in output for output in outputs) >= 4


def test_lines_are_packed_trained_on_and_measured(outputs):
    assert one(outputs, "24 train, 3 validation, 3 test")
    assert one(outputs, r"CER before \d+\.\d%, after \d+\.\d%, on 3 lines")


def test_the_model_is_saved_and_loaded_again(outputs):
    assert "model.safetensors" in outputs[-1]


def test_the_notebook_is_stored_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert NOTEBOOK.stat().st_size < 50_000
