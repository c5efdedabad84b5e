"""What needs which libraries: commands and scripts run where those of other extras are missing."""

import ast
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from drawing import draw_text_line
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"
OTHER_EXTRAS = ("gradio", "jiwer", "onnx", "onnxruntime", "playwright", "ray", "symspellpy")
TRAIN = ("accelerate", "datasets", "matplotlib", "pyarrow", "rapidfuzz", "tensorboard")
NEED_MORE = {"test_bert_hypothesis.py", "benchmark_app.py", "show_app.py"}  # `study` and `dev`
RUN = "from hwr_hf.cli import main\nsys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def setup_cfg():
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture
def run_without():
    """Function that runs Python code where libraries cannot be imported: its error, or none."""

    def run(libraries, code, *arguments):
        hide = f"import sys; sys.modules.update(dict.fromkeys({libraries!r}))\n"
        command = [sys.executable, "-c", hide + code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stderr if done.returncode else ""

    return run


def test_a_script_needs_the_extra_train_at_most(run_without):
    scripts = [path for path in sorted(SCRIPTS.glob("*.py")) if path.name not in NEED_MORE]
    code = "import runpy\nfor script in sys.argv[1:]: runpy.run_path(script)"
    assert run_without(OTHER_EXTRAS, code, *scripts) == ""


def test_reading_and_the_help_of_evaluate_need_no_extra(run_without, tiny_model_dir, tmp_path):
    draw_text_line("a house").save(tmp_path / "line.png")
    read = ["read", "--model", tiny_model_dir, tmp_path / "line.png"]
    assert run_without(OTHER_EXTRAS + TRAIN, RUN, *read) == ""
    assert run_without(OTHER_EXTRAS + TRAIN, RUN, "evaluate", "--help") == ""


@pytest.mark.parametrize("type", ["model", "space"])
def test_push_needs_no_extra(run_without, tiny_model_dir, tmp_path, type):
    (tmp_path / "README.md").write_text("---\nsdk: static\n---\n")
    folder = {"model": tiny_model_dir, "space": tmp_path}[type]
    push = ["push", folder, "--repo", "user/name", "--type", type, "--dry-run"]
    assert run_without(OTHER_EXTRAS + TRAIN, RUN, *push) == ""


def test_every_library_that_the_package_imports_is_declared(setup_cfg):
    extras = [
        needed for extra, needed in setup_cfg["options.extras_require"].items() if extra != "dev"
    ]
    needed = "\n".join([setup_cfg["options"]["install_requires"], *extras]).split("\n")
    declared = {Requirement(line).name.replace("-", "_") for line in needed if line}
    imported = {
        name.split(".")[0]
        for path in (ROOT / "src" / "hwr_hf").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
    }
    declared |= {"PIL"}  # of pillow
    declared |= {"tokenizers"}  # a requirement of transformers
    declared |= {"rapidocr"}  # a reader to compare with, told where it is missing
    assert imported - declared - sys.stdlib_module_names == set()


def _imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []


def test_the_licence_is_that_of_the_code_and_that_of_the_weights(setup_cfg):
    metadata = setup_cfg["metadata"]
    assert metadata["license_expression"] == (
        "Apache-2.0 AND LicenseRef-IAM-non-commercial-research"
    )
    files = metadata["license_files"].split()
    assert files == ["LICENSE", "src/hwr_hf/pretrained/LICENSE.md"]
    assert all((ROOT / file).is_file() for file in files)
