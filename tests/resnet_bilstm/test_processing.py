import numpy as np
import pytest
import torch
from drawing import draw_text_line

from hwr_hf.resnet_bilstm.image_processing_pil_resnet_bilstm import ResNetBiLstmImageProcessorPil
from hwr_hf.resnet_bilstm.processing_resnet_bilstm import ResNetBiLstmProcessor
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer


@pytest.fixture(scope="module")
def processor():
    return ResNetBiLstmProcessor(ResNetBiLstmImageProcessorPil(), ResNetBiLstmTokenizer())


@pytest.fixture(scope="module")
def images():
    return [draw_text_line("hello"), draw_text_line("a longer line of text")]


def test_images_become_padded_pixel_values_and_their_mask(processor, images):
    inputs = processor(images=images)
    assert set(inputs) == {"pixel_values", "pixel_mask"}
    batch, _, _, width = inputs["pixel_values"].shape
    assert inputs["pixel_mask"].shape == (batch, width) == (2, width)
    assert isinstance(inputs["pixel_values"], torch.Tensor)


def test_texts_become_labels_padded_with_what_the_loss_ignores(processor, images):
    labels = processor(images=images, text=["hello", "ab"])["labels"]
    a_and_b = processor.tokenizer("ab").input_ids
    assert labels.dtype == torch.int64
    assert labels.tolist()[1] == [*a_and_b, -100, -100, -100]


def test_text_alone_becomes_labels(processor):
    assert set(processor(text="ab")) == {"labels"}
    assert processor(text="ab")["labels"].shape == (1, 2)


def test_numpy_on_request(processor, images):
    inputs = processor(images=images, text=["hello", "ab"], return_tensors="np")
    assert all(isinstance(value, np.ndarray) for value in inputs.values())


def test_settings_of_the_image_processor_go_through(processor, images):
    narrow = processor(images=images[:1], pad_to_multiple_of=8)["pixel_values"].shape[-1]
    assert narrow % 64 and processor(images=images[:1])["pixel_values"].shape[-1] % 64 == 0


def test_decoding_is_the_tokenizers(processor):
    labels = processor(text=["all", "b"])["labels"]
    assert processor.batch_decode(labels, group_tokens=False) == ["all", "b"]
    assert processor.decode([0, 5, 5, 0]) == processor.tokenizer.decode([5])


def test_nothing_given_is_refused(processor):
    with pytest.raises(ValueError, match="Neither `images` nor `text`"):
        processor()


def test_as_many_texts_as_images_are_needed(processor, images):
    with pytest.raises(ValueError, match="2 images and 1 texts"):
        processor(images=images, text="hello")


def test_saved_and_loaded_it_prepares_the_same(processor, images, tmp_path):
    processor.save_pretrained(tmp_path)
    loaded = ResNetBiLstmProcessor.from_pretrained(tmp_path)
    inputs, again = (p(images=images, text=["hello", "A  b"]) for p in (processor, loaded))
    assert torch.equal(inputs["labels"], again["labels"])
    # from_pretrained picks the torchvision backend, which rounds differently in float32.
    assert torch.allclose(inputs["pixel_values"], again["pixel_values"], atol=1e-4)
