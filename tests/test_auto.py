import pytest
import transformers
from drawing import draw_text_line
from transformers import pipeline, pipelines

import hwr_hf
from hwr_hf.auto import register, register_pipeline


@pytest.mark.parametrize(
    ("auto_class", "expected"),
    [
        ("AutoConfig", hwr_hf.ResNetBiLstmConfig),
        ("AutoModel", hwr_hf.ResNetBiLstmModel),
        ("AutoModelForCTC", hwr_hf.ResNetBiLstmForCTC),
        ("AutoModelForTextRecognition", hwr_hf.ResNetBiLstmForCTC),
        ("AutoImageProcessor", hwr_hf.ResNetBiLstmImageProcessor),
        ("AutoTokenizer", hwr_hf.ResNetBiLstmTokenizer),
        ("AutoProcessor", hwr_hf.ResNetBiLstmProcessor),
    ],
)
def test_auto_class_takes_the_package_without_trust(tiny_model_dir, auto_class, expected):
    loaded = getattr(transformers, auto_class).from_pretrained(
        tiny_model_dir, trust_remote_code=False
    )
    assert type(loaded) is expected


def test_image_processor_of_the_other_backend(tiny_model_dir):
    loaded = transformers.AutoImageProcessor.from_pretrained(tiny_model_dir, backend="pil")
    assert type(loaded) is hwr_hf.ResNetBiLstmImageProcessorPil


@pytest.mark.parametrize(
    "model_class", [hwr_hf.ResNetBiLstmForCharacterSequence, hwr_hf.ResNetForCharacterSequence]
)
def test_text_recognition_takes_the_saved_architecture(tmp_path, model_class):
    config = hwr_hf.ResNetBiLstmConfig(
        stem_channels=8,
        hidden_sizes=[8, 8, 8],
        depths=[1, 1, 1],
        lstm_hidden_size=8,
        num_lstm_layers=1,
        num_steps=8,
    )
    model_class(config).save_pretrained(tmp_path)
    loaded = transformers.AutoModelForTextRecognition.from_pretrained(tmp_path)
    assert type(loaded) is model_class


def test_pipeline_by_its_task_needs_no_trust(tiny_model_dir):
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu")
    assert isinstance(reader, hwr_hf.ResNetBiLstmPipeline)
    assert reader.task == "image-to-text"
    (reading,) = reader(draw_text_line("hello"))
    assert set(reading) == {"generated_text", "score"}


def test_other_removed_tasks_are_still_rewritten_or_refused():
    assert pipelines._resolve_deprecated_task("text-classification") == "text-classification"
    with pytest.raises(KeyError, match="removed"):
        pipelines._resolve_deprecated_task("summarization")


def test_unregistered_image_to_text_is_rewritten_as_before(monkeypatch):
    # The library's own warning has a stray argument, which pytest's log handler does not forgive.
    monkeypatch.setattr(pipelines.logger, "warning_once", lambda *args: None)
    monkeypatch.delitem(pipelines.PIPELINE_REGISTRY.supported_tasks, "image-to-text")
    assert pipelines._resolve_deprecated_task("image-to-text") == "image-text-to-text"


def test_registering_twice_wraps_once():
    resolve = pipelines._resolve_deprecated_task
    register()
    assert pipelines._resolve_deprecated_task is resolve


def test_registering_works_without_the_private_function(monkeypatch):
    monkeypatch.delattr(pipelines, "_resolve_deprecated_task")
    monkeypatch.delitem(pipelines.PIPELINE_REGISTRY.supported_tasks, "image-to-text")
    register_pipeline()
    assert "image-to-text" in pipelines.get_supported_tasks()
    assert not hasattr(pipelines, "_resolve_deprecated_task")
