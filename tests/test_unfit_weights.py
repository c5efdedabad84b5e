"""Weights that are not those a configuration asks for: the library fills the gaps at random."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file
from transformers import pipeline

from hwr_hf.export import save_half_precision
from hwr_hf.line_logits import load_recogniser
from hwr_hf.model_averaging import average_models
from hwr_hf.onnx_export import export_onnx
from hwr_hf.resnet_bilstm import (
    ResNetBiLstmForCTC,
    ResNetBiLstmImageProcessor,
    ResNetBiLstmPipeline,
    ResNetBiLstmTokenizer,
)
from hwr_hf.training_model import ModelArguments, make_model


def change_config(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def drop_weights(folder, part):
    file = folder / "model.safetensors"
    tensors = {name: tensor for name, tensor in load_file(file).items() if part not in name}
    save_file(tensors, file, metadata={"format": "pt"})


@pytest.fixture
def folder(tiny_model_dir, tmp_path):
    return shutil.copytree(tiny_model_dir, tmp_path / "model")


@pytest.fixture(params=["fewer weights", "more layers", "fewer blocks"])
def unfit(request, tiny_model_dir, folder):
    match request.param:
        case "fewer weights":
            drop_weights(folder, "backward_lstm")
        case "more layers":
            change_config(folder, num_lstm_layers=2)
        case "fewer blocks":
            change_config(
                folder, hidden_sizes=[8, 8], depths=[1, 1], stage_strides=[[1, 1], [2, 2]]
            )
    return folder


def test_the_pipeline_does_not_read_with_them(unfit):
    with pytest.raises(ValueError, match=r"do not fit .*model\..*Get the model again"):
        pipeline("image-to-text", model=str(unfit))
    with pytest.raises(ValueError, match="do not fit"):
        pipeline("image-to-text", model=str(unfit), backend="onnx")


def test_once_trained_they_are_read_with(unfit):
    model = ResNetBiLstmForCTC.from_pretrained(unfit)
    model.train()
    ResNetBiLstmPipeline(
        model=model.eval(),
        image_processor=ResNetBiLstmImageProcessor.from_pretrained(unfit),
        tokenizer=ResNetBiLstmTokenizer.from_pretrained(unfit),
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: load_recogniser(folder, {}),
        lambda folder: average_models([folder, folder]),
        lambda folder: save_half_precision(folder, folder / "made"),
        lambda folder: export_onnx(folder, folder / "made"),
        lambda folder: make_model(ModelArguments(model=str(folder))),
    ],
    ids=["evaluate", "average", "embed", "export", "train"],
)
def test_nothing_is_made_of_them(make, folder):
    make(folder)
    drop_weights(folder, "backward_lstm")
    shutil.rmtree(folder / "made", ignore_errors=True)
    with pytest.raises(ValueError, match="do not fit"):
        make(folder)


def test_the_head_that_only_training_needs_may_be_missing(folder):
    drop_weights(folder, "shortcut")
    pipeline("image-to-text", model=str(folder))
    make_model(ModelArguments(model=str(folder)))


def test_the_head_that_only_training_needs_may_be_too_much(folder):
    change_config(folder, ctc_shortcut_weight=0.0)
    pipeline("image-to-text", model=str(folder))
