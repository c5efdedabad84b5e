import ast
import sys
from pathlib import Path

import pytest

import hwr_hf.resnet_bilstm

FOLDER = Path(hwr_hf.resnet_bilstm.__file__).parent
FILES = sorted(FOLDER.glob("*.py"))
# The last three are requirements of transformers itself.
ALLOWED = {"numpy", "PIL", "torch", "torchvision", "transformers"} | {
    "huggingface_hub",
    "safetensors",
    "tokenizers",
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_hub_file_imports_only_its_neighbours_and_what_transformers_needs(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = {node.module.split(".")[0]}
        elif isinstance(node, ast.ImportFrom):
            # Only `from .file import name` is copied to the Hub.
            assert node.level == 1 and node.module and "." not in node.module, ast.unparse(node)
            assert (FOLDER / f"{node.module}.py").is_file(), ast.unparse(node)
            continue
        else:
            continue
        foreign = modules - ALLOWED - sys.stdlib_module_names
        assert not foreign, f"{file.name} imports {foreign}"


def test_the_folder_is_flat_and_its_names_are_unique_on_the_hub():
    assert [path for path in FOLDER.rglob("*.py") if path.parent != FOLDER] == []
    names = [file.name for file in FILES if file.name != "__init__.py"]
    assert all(name.endswith("_resnet_bilstm.py") for name in names)
