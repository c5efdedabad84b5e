import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from drawing import draw_text_line
from huggingface_hub import constants
from ngram_miniature import save_ngram
from transformers import pipeline

from hwr_hf.cli import main
from hwr_hf.onnx_export import export_onnx

TEXTS = ["a", "hello there", "", "a much longer line of text", "to be"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf"


@pytest.fixture(scope="module")
def exported(tiny_model_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export_onnx(tiny_model_dir, folder)
    save_ngram(folder / "ngram.safetensors")
    return folder


@pytest.fixture(scope="module")
def images():
    return [draw_text_line(text) for text in TEXTS]


def reader(model, **options):
    return pipeline("image-to-text", model=str(model), device="cpu", **options)


def assert_alike(readings, expected):
    assert len(readings) == len(expected)
    for found, wanted in zip(readings, expected, strict=True):
        assert [r["generated_text"] for r in found] == [r["generated_text"] for r in wanted]
        assert [r["score"] for r in found] == pytest.approx([r["score"] for r in wanted], rel=1e-2)


def test_onnxruntime_reads_what_pytorch_reads(exported, images):
    expected = reader(exported)(images)
    assert_alike(reader(exported, backend="onnx")(images), expected)
    assert_alike(reader(exported, backend="onnx")(images, batch_size=3), expected)


def test_the_network_is_not_computed_by_pytorch(exported, images, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("PyTorch was asked")

    onnx_reader = reader(exported, backend="onnx")
    monkeypatch.setattr(torch.nn.LSTM, "forward", fail)
    assert onnx_reader(images[1])[0]["generated_text"]
    with pytest.raises(AssertionError, match="PyTorch was asked"):
        reader(exported)(images[1])


def test_words_beam_and_n_best_work(exported, images):
    options = {"decoder": "beam", "num_return_sequences": 3, "return_words": True}
    readings = reader(exported, backend="onnx", **options)(images[1])
    expected = reader(exported, **options)(images[1])
    assert len(readings) == 3
    assert_alike([readings], [expected])
    assert [r["words"][0]["box"] for r in readings] == [r["words"][0]["box"] for r in expected]


def test_views_work(exported, images):
    assert_alike(
        reader(exported, backend="onnx")(images, num_views=3),
        reader(exported)(images, num_views=3),
    )


def test_a_blank_page_reads_as_nothing(exported):
    page = np.full((60, 300), 255, np.uint8)
    assert reader(exported, backend="onnx")(page) == [{"generated_text": "", "score": 1.0}]


def test_without_a_graph_one_is_made_once_and_said_so(tiny_model_dir, images, cache, capsys):
    expected = reader(tiny_model_dir)(images)
    assert_alike(reader(tiny_model_dir, backend="onnx")(images), expected)
    assert "exporting" in capsys.readouterr().err
    (graph,) = cache.rglob("model.onnx")
    made = graph.stat().st_mtime_ns
    assert_alike(reader(tiny_model_dir, backend="onnx")(images), expected)
    assert capsys.readouterr().err.count("exporting") == 0
    assert graph.stat().st_mtime_ns == made
    assert not (tiny_model_dir / "model.onnx").exists()


def test_other_weights_get_a_graph_of_their_own(tiny_model_dir, images, cache):
    model = reader(tiny_model_dir).model
    pipelines = []
    for shift in (0.0, 30.0):
        with torch.no_grad():
            model.ctc_head.bias[5] += shift
        parts = {"tokenizer": str(tiny_model_dir), "image_processor": str(tiny_model_dir)}
        pipelines.append(pipeline("image-to-text", model=model, backend="onnx", **parts))
    assert len(list(cache.rglob("model.onnx"))) == 2
    assert pipelines[0](images[1]) != pipelines[1](images[1])


def test_a_graph_of_other_weights_is_refused(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "model")
    torch_reader = reader(folder)
    with torch.no_grad():
        torch_reader.model.ctc_head.bias += 1
    torch_reader.model.save_pretrained(folder)
    with pytest.raises(ValueError, match=r"model\.onnx was made of other weights"):
        reader(folder, backend="onnx")


def test_a_damaged_graph_is_named(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "model")
    (folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ValueError, match=r"model\.onnx is no graph that onnxruntime reads"):
        reader(folder, backend="onnx")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "jax"}, "backend='jax' is not one of torch, onnx"),
        ({"backend": "onnx", "dtype": "bfloat16"}, "computes in float32, not in torch.bfloat16"),
    ],
)
def test_what_no_backend_does_is_refused(exported, options, message):
    with pytest.raises(ValueError, match=message):
        reader(exported, **options)


def test_saving_points_to_the_export(exported, tmp_path):
    with pytest.raises(ValueError, match="hwr-hf export onnx"):
        reader(exported, backend="onnx").save_pretrained(tmp_path / "saved")


def test_the_command_reads_the_same_with_both(exported, tmp_path, capsys):
    draw_text_line("hello there").save(tmp_path / "line.png")
    command = ["read", str(tmp_path / "line.png"), "--model", str(exported)]
    assert main([*command, "--backend", "onnx"]) == 0
    with_onnx = capsys.readouterr().out
    assert main(command) == 0
    assert with_onnx == capsys.readouterr().out


def test_importing_the_package_needs_no_onnxruntime():
    code = "import sys, hwr_hf; print([m for m in sys.modules if m.startswith('onnx')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("device", [-1, "cpu:0", torch.device("cpu")])
def test_the_cpu_has_several_names(exported, images, device):
    expected = reader(exported, backend="onnx")(images[1])
    found = pipeline("image-to-text", model=str(exported), backend="onnx", device=device)(images[1])
    assert found == expected
