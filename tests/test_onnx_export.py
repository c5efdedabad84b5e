import builtins
import shutil

import numpy as np
import onnxruntime
import pytest
import torch
from drawing import draw_text_line
from transformers import pipeline

from hwr_hf import DEFAULT_MODEL, ResNetBiLstmConfig, ResNetBiLstmForCTC
from hwr_hf.cli import main
from hwr_hf.onnx_export import export_onnx, weights_key, write_onnx

WORDS = "The letter came by the morning post and nobody had time to answer it before dinner".split()
# Of one to six words, in fifty sizes: no two drawings are alike.
LINES = [(" ".join(WORDS[i % 11 : i % 11 + 1 + i % 6]), 30 + i // 4) for i in range(200)]


@pytest.fixture(scope="module")
def default_model():
    return ResNetBiLstmForCTC.from_pretrained(DEFAULT_MODEL, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def exported(default_model, tmp_path_factory):
    """Logits of the default model's graph, as a function of numpy arrays."""
    return session(write_onnx(default_model, tmp_path_factory.mktemp("onnx") / "model.onnx"))


def session(path):
    graph = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda values, mask: graph.run(
        None, {"pixel_values": values.numpy(), "pixel_mask": mask.numpy()}
    )[0]


def batch_of(widths):
    pixel_mask = (torch.arange(max(widths)) < torch.tensor(widths)[:, None]).long()
    pixel_values = torch.randn(len(widths), 1, 48, max(widths)) * pixel_mask[:, None, None]
    return pixel_values, pixel_mask


@pytest.mark.parametrize("widths", [[64], [130, 320], [512, 40, 256, 511, 16]])
def test_logits_are_those_of_pytorch_for_any_batch_and_width(default_model, exported, widths):
    pixel_values, pixel_mask = batch_of(widths)
    with torch.no_grad():
        expected = default_model(pixel_values, pixel_mask).logits
    assert np.abs(exported(pixel_values, pixel_mask) - expected.numpy()).max() < 1e-3


def test_a_line_has_the_same_logits_whatever_it_is_batched_with(exported):
    pixel_values, pixel_mask = batch_of([100, 384])
    alone = exported(pixel_values[:1, ..., :100], pixel_mask[:1, :100])
    together = exported(pixel_values, pixel_mask)
    assert np.abs(together[:1, : alone.shape[1]] - alone).max() < 1e-4


@pytest.mark.parametrize(("int8", "num_lines"), [(False, len(LINES)), (True, 12)])
def test_drawn_lines_read_the_same_text(default_model, tmp_path, int8, num_lines):
    graph = session(write_onnx(default_model, tmp_path / "model.onnx", int8))
    reader = pipeline("image-to-text", model=DEFAULT_MODEL, device="cpu")
    for text, font_size in LINES[:num_lines]:
        inputs = reader.preprocess(draw_text_line(text, font_size=font_size))
        expected = reader.forward(inputs)
        logits = torch.from_numpy(graph(inputs["pixel_values"], inputs["pixel_mask"]))
        if not int8:
            assert (logits - expected["logits"]).abs().max() < 1e-3
        assert (
            reader.postprocess({**expected, "logits": logits})[0]["generated_text"]
            == (reader.postprocess(expected)[0]["generated_text"])
        )


def test_int8_is_smaller_because_lstm_and_matrix_product_are_quantised(default_model, tmp_path):
    onnx = pytest.importorskip("onnx")
    float32 = write_onnx(default_model, tmp_path / "float32.onnx")
    int8 = write_onnx(default_model, tmp_path / "int8.onnx", int8=True)
    assert int8.stat().st_size < 0.7 * float32.stat().st_size
    operators = {node.op_type for node in onnx.load(int8).graph.node}
    assert {"DynamicQuantizeLSTM", "MatMulInteger", "Conv"} <= operators
    assert not {"LSTM", "MatMul", "ConvInteger"} & operators


def test_the_folder_has_all_that_reading_needs_and_goes_on_reading_with_pytorch(
    tiny_model_dir, tmp_path
):
    model = shutil.copytree(tiny_model_dir, tmp_path / "model")
    (model / "ngram.safetensors").write_bytes(b"an n-gram")
    (model / "LICENSE.md").write_text("the terms")
    export_onnx(model, tmp_path / "exported")
    names = {path.name for path in (tmp_path / "exported").iterdir()}
    assert {"config.json", "model.onnx", "processor_config.json", "tokenizer.json"} <= names
    assert (tmp_path / "exported" / "ngram.safetensors").read_bytes() == b"an n-gram"
    assert (tmp_path / "exported" / "LICENSE.md").read_text() == "the terms"
    image = draw_text_line("hello")
    readings = [
        pipeline("image-to-text", model=str(folder), device="cpu")(image)
        for folder in (model, tmp_path / "exported")
    ]
    assert readings[0] == readings[1]


def test_the_command_adds_the_file_to_the_models_own_folder(tiny_model_dir, tmp_path, capsys):
    model = shutil.copytree(tiny_model_dir, tmp_path / "model")
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    assert main(["export", "onnx", str(model), "--output", str(model)]) == 0
    assert str(model / "model.onnx") in capsys.readouterr().out
    after = {path.name: path.read_bytes() for path in model.iterdir()}
    assert after == before | {"model.onnx": after["model.onnx"]}


def test_the_key_of_the_weights_is_of_their_values(tiny_model_dir):
    model = ResNetBiLstmForCTC.from_pretrained(tiny_model_dir)
    key = weights_key(model)
    assert weights_key(ResNetBiLstmForCTC.from_pretrained(tiny_model_dir)) == key
    with torch.no_grad():
        model.ctc_head.bias[0] += 1
    assert weights_key(model) != key


def test_a_folder_in_use_is_left_alone(tiny_model_dir, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    command = ["export", "onnx", str(tiny_model_dir), "--output", str(tmp_path)]
    assert main(command) == 2
    assert f"{tmp_path} is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_model_with_fixed_steps_is_refused(tmp_path):
    config = ResNetBiLstmConfig(
        hidden_sizes=[8, 8, 8], depths=[1, 1, 1], lstm_hidden_size=8, num_steps=8
    )
    with pytest.raises(ValueError, match="num_steps=8"):
        write_onnx(ResNetBiLstmForCTC(config), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_without_onnxruntime_the_command_says_what_to_install(monkeypatch, tmp_path, capsys):
    import_module = builtins.__import__

    def without_onnxruntime(name, *args, **kwargs):
        if name == "onnxruntime":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return import_module(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_onnxruntime)
    assert main(["export", "onnx", "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "onnxruntime is not installed. Run: pip install 'hwr_hf[onnx]'" in error
