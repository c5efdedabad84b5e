import json

import pytest

from hwr_hf.json_files import write_json
from hwr_hf.ma2023.results import read_result

RESULT = {"settings": {"seed": 0, "sizes": [1, 2]}, "tests": {}}


def test_a_result_comes_back_for_the_same_settings(tmp_path):
    path = tmp_path / "results" / "run.json"
    write_json(path, RESULT)
    assert read_result(path, {"seed": 0, "sizes": (1, 2)}) == RESULT
    assert [file.name for file in path.parent.iterdir()] == ["run.json"]


def test_no_file_is_no_result(tmp_path):
    assert read_result(tmp_path / "run.json", {}) is None


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
def test_a_half_written_result_is_none(tmp_path, caplog, share):
    text = json.dumps(RESULT)
    (tmp_path / "run.json").write_text(text[: int(share * len(text))])
    assert read_result(tmp_path / "run.json", RESULT["settings"]) is None
    assert "half-written" in caplog.text


def test_a_result_of_other_settings_is_refused(tmp_path):
    write_json(tmp_path / "run.json", RESULT)
    with pytest.raises(ValueError, match=r"seed = 0, not 1\. Give another --output"):
        read_result(tmp_path / "run.json", {"seed": 1, "sizes": [1, 2]})
