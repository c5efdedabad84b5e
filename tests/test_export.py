import torch
from safetensors.torch import load_file
from transformers import AutoModelForCTC, AutoProcessor

from hwr_hf.export import save_half_precision


def test_exported_weights_are_half_as_large_and_load_as_float32(tiny_model_dir, tmp_path):
    save_half_precision(tiny_model_dir, tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert stored["model.backbone.conv1.weight"].dtype == torch.float16
    assert AutoModelForCTC.from_pretrained(tmp_path).dtype == torch.float32


def test_exported_model_reads_like_the_original(tiny_model_dir, tmp_path):
    save_half_precision(tiny_model_dir, tmp_path)
    pixel_values = torch.randn(1, 1, 48, 64)
    with torch.no_grad():
        original, exported = (
            AutoModelForCTC.from_pretrained(folder).eval()(pixel_values).logits
            for folder in (tiny_model_dir, tmp_path)
        )
    assert torch.allclose(original, exported, rtol=1e-2, atol=1e-1)


def test_a_card_in_the_folder_stays(tiny_model_dir, tmp_path):
    (tmp_path / "README.md").write_text("the card")
    save_half_precision(tiny_model_dir, tmp_path)
    assert (tmp_path / "README.md").read_text() == "the card"
    assert AutoProcessor.from_pretrained(tmp_path).tokenizer.pad_token_id == 0


def test_lines_get_as_many_columns_a_stroke_as_asked_for(tiny_model_dir, tmp_path):
    save_half_precision(tiny_model_dir, tmp_path / "first", columns_per_stroke=12.0)
    save_half_precision(tmp_path / "first", tmp_path / "second")
    for folder in ("first", "second"):
        processor = AutoProcessor.from_pretrained(tmp_path / folder)
        assert processor.image_processor.columns_per_stroke == 12.0
