import json
import os

import pytest
from PIL import Image

from hwr_hf.benchmark import readers, speed_report
from hwr_hf.benchmark.lines import draw_lines
from hwr_hf.benchmark.measurement import Measurement, measure
from hwr_hf.benchmark.network_profile import STEPS
from hwr_hf.benchmark.readers import ReaderMissingError, make_reader
from hwr_hf.benchmark.speed_report import draw_report, processor_of, run_benchmark


def profiled(dtype):
    shares = dict.fromkeys(STEPS, 1 / len(STEPS))
    return {"dtype": dtype, "shares": shares, "convolution_share": 0.7}


def measurement(lines_per_second, texts=None):
    return Measurement(2, 3, lines_per_second, {"p50": 0.1, "p95": 0.2}, 3.0, 4, 1, texts)


@pytest.fixture
def measured(monkeypatch):
    """Lines a second by reader, in the place of measuring, or the error of one that is missing."""
    speeds = {"ours": 30.0, "TrOCR-small": 2.0, "Tesseract 5": ReaderMissingError("the program")}

    def measure_nothing(name, *arguments):
        if isinstance(speeds[name], Exception):
            raise speeds[name]
        return measurement(speeds[name], ["a line"] * 2 if name == "ours" else None)

    monkeypatch.setattr(speed_report, "measure", measure_nothing)
    profiles = [profiled("float32"), profiled("bfloat16")]
    monkeypatch.setattr(
        speed_report, "_profiles", lambda *_: {"cost_per_line": {}, "profile": profiles}
    )
    return speeds


def test_the_report_holds_speeds_ratios_and_what_is_missing(measured, tiny_model_dir, tmp_path):
    output = tmp_path / "results" / "speed.json"
    run_benchmark(output, str(tiny_model_dir), 2, readers=list(measured), tell=lambda _: None)
    report = json.loads(output.read_text())
    assert report["readers"]["ours"]["lines_per_second"] == 30
    assert report["readers"]["Tesseract 5"] == {"missing": "the program"}
    assert report["ratios"] == {"ours / TrOCR-small, float32": 15}
    assert report["threads"] == os.cpu_count() and report["machine"]
    assert Image.open(output.with_suffix(".png")).width == 1200


def test_a_reader_that_fails_costs_only_itself(measured, tiny_model_dir, tmp_path):
    measured["TrOCR-small"] = RuntimeError("no memory")
    report = run_benchmark(
        tmp_path / "speed.json", str(tiny_model_dir), 2, readers=list(measured), tell=lambda _: None
    )
    assert report["readers"]["TrOCR-small"] == {"failed": "no memory"}
    assert report["ratios"] == {}


def test_no_error_rate_is_given_for_drawn_lines(measured, tiny_model_dir, tmp_path):
    report = run_benchmark(
        tmp_path / "speed.json", str(tiny_model_dir), 2, readers=["ours"], tell=lambda _: None
    )
    assert "cer" not in report["readers"]["ours"]


def test_an_unknown_reader_is_refused_before_anything_is_measured(tiny_model_dir, tmp_path):
    with pytest.raises(ValueError, match="no reader 'Kraken'"):
        run_benchmark(tmp_path / "speed.json", str(tiny_model_dir), readers=["Kraken"])


def test_start_and_memory_are_given_only_where_they_are_the_readers_own():
    assert readers.is_own_process("ours, onnx") and readers.is_own_process("TrOCR-base")
    assert not readers.is_own_process("Tesseract 5") and not readers.is_own_process("RapidOCR")


def test_a_missing_program_is_named(monkeypatch):
    monkeypatch.setattr(readers.shutil, "which", lambda program: None)
    with pytest.raises(ReaderMissingError, match="tesseract-ocr"):
        make_reader("Tesseract 5", 1, {})


def test_a_reader_is_measured_in_a_process_of_its_own(tiny_model_dir, tmp_path):
    lines = draw_lines(3, tmp_path)
    models = {"float32": str(tiny_model_dir), "int8": ""}
    found = measure("ours", lines, num_threads=1, models=models, max_seconds=1)
    texts = make_reader("ours", 1, models)(lines)
    assert found.texts == texts
    assert found.lines == 3 and found.lines_per_second > 0
    assert found.latency["p50"] <= found.latency["p95"]
    assert found.start_seconds > 0 and found.peak_memory > 1e8
    assert found.mapped_files is None or 1e7 < found.mapped_files < found.peak_memory


def test_a_failure_of_the_process_is_told(tmp_path):
    lines = draw_lines(1, tmp_path)
    with pytest.raises(RuntimeError, match="no-such-folder"):
        measure("ours", lines, 1, {"float32": str(tmp_path / "no-such-folder"), "int8": ""})


def test_a_picture_needs_no_competitor(tmp_path):
    report = {
        "images": "drawn lines",
        "threads": 2,
        "machine": "a processor",
        "profile": [profiled("float32")],
        "readers": {"ours": {"lines_per_second": 3.0}, "RapidOCR": {"missing": "rapidocr"}},
    }
    draw_report(report, tmp_path / "speed.png")
    assert Image.open(tmp_path / "speed.png").size[0] == 1200


@pytest.mark.parametrize(
    ("cpuinfo", "processor"),
    [
        (
            "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: Fast One\n\n"
            "processor\t: 1\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: Another\n",
            "Fast One, family 25, model 17",
        ),
        ("processor : 0\nmodel name : ARMv8: the first\n", "ARMv8: the first"),
        ("processor : 0\nBogoMIPS : 50.00\n", ""),
    ],
)
def test_processors_of_one_name_are_told_apart(cpuinfo, processor):
    assert processor_of(cpuinfo) == processor
