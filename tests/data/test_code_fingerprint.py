import importlib.util

from hwr_hf.data.code_fingerprint import code_fingerprint


def module_of(path, source):
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_tells_one_source_from_another(tmp_path):
    first = module_of(tmp_path / "first.py", "def add(a, b):\n    return a + b\n")
    same = module_of(tmp_path / "same.py", "def add(a, b):\n    return a + b\n")
    other = module_of(tmp_path / "other.py", "def add(a, b):\n    return b + a\n")
    assert code_fingerprint(first) == code_fingerprint(same) != code_fingerprint(other)
    assert code_fingerprint(first.add) == code_fingerprint(same.add) != code_fingerprint(other.add)
    assert code_fingerprint(first, other) != code_fingerprint(other, first)
