"""Both image processors: shapes, normalising, padding, options, and that they agree."""

import numpy as np
import pytest
import torch
from drawing import draw_text_line
from PIL import Image

from hwr_hf.resnet_bilstm.image_processing_pil_resnet_bilstm import ResNetBiLstmImageProcessorPil
from hwr_hf.resnet_bilstm.image_processing_resnet_bilstm import ResNetBiLstmImageProcessor
from hwr_hf.resnet_bilstm.image_transforms_resnet_bilstm import MIN_WIDTH

WORD = draw_text_line("word")
LINE = draw_text_line("a longer line of text")
GREY = np.array(LINE)
RGB = np.stack([GREY] * 3, axis=-1)
BACKENDS = [ResNetBiLstmImageProcessor, ResNetBiLstmImageProcessorPil]
NO_GEOMETRY = {"do_deskew": False, "do_crop": False, "do_resize": False}
PAPER_1 = {
    "size": {"height": 224, "width": 224},
    "num_channels": 3,
    "deskew_method": "moment",
    "num_deskew_passes": 2,
    "normalization": "channel",
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


@pytest.fixture(params=BACKENDS, ids=["torchvision", "pil"])
def backend(request):
    return request.param


def transparent(image: Image.Image) -> Image.Image:
    alpha = Image.fromarray(255 - np.array(image))
    return Image.merge("LA", [Image.new("L", image.size), alpha])


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(LINE, id="L"),
        pytest.param(LINE.convert("RGB"), id="RGB"),
        pytest.param(LINE.convert("RGBA"), id="RGBA"),
        pytest.param(transparent(LINE), id="LA"),
        pytest.param(LINE.convert("RGB").convert("CMYK"), id="CMYK"),
        pytest.param(LINE.convert("1"), id="1-bit"),
        pytest.param(LINE.convert("P"), id="palette"),
        pytest.param(Image.fromarray(GREY.astype(np.uint16) * 257), id="16-bit"),
        pytest.param(GREY, id="numpy"),
        pytest.param(RGB, id="numpy-channels-last"),
        pytest.param(RGB.transpose(2, 0, 1), id="numpy-channels-first"),
        pytest.param(GREY / 255, id="numpy-float"),
        pytest.param(torch.from_numpy(GREY), id="torch"),
        pytest.param(torch.from_numpy(RGB).permute(2, 0, 1) / 255, id="torch-float"),
        pytest.param(255 - GREY, id="white-on-black"),
        pytest.param(LINE.rotate(3, expand=True, fillcolor=255), id="rotated"),
    ],
)
@pytest.mark.parametrize("options", [{}, PAPER_1], ids=["default", "paper-1"])
def test_backends_agree(image, options):
    for do_normalize, tolerance in ((False, 1 / 255), (True, 1e-4)):
        first, second = (
            processor(**options)(image, do_normalize=do_normalize, return_tensors="np")
            for processor in BACKENDS
        )
        assert (first["pixel_mask"] == second["pixel_mask"]).all()
        assert np.abs(first["pixel_values"] - second["pixel_values"]).max() <= tolerance


def test_line_has_height_48_and_a_padded_width_of_whole_64s(backend):
    inputs = backend()([WORD, LINE], return_tensors="pt", return_to_original=True)
    widths = inputs["pixel_mask"].sum(dim=1)
    assert inputs["pixel_values"].dtype == torch.float32
    assert inputs["pixel_mask"].dtype == torch.int64
    assert inputs["pixel_values"].shape[:3] == (2, 1, 48)
    width = inputs["pixel_values"].shape[3]
    assert width % 64 == 0 and 0 <= width - widths.max() < 64
    assert inputs["pixel_mask"].shape == (2, width)
    assert inputs["to_original"].shape == (2, 2, 3)


def test_mask_is_one_on_the_left_and_values_are_zero_where_it_is_zero(backend):
    inputs = backend()([WORD, LINE], return_tensors="pt")
    for values, mask in zip(inputs["pixel_values"], inputs["pixel_mask"], strict=True):
        assert (mask.diff() <= 0).all()
        assert (values[:, :, mask == 0] == 0).all()
        assert (values[:, :, mask == 1] != 0).any()


def test_image_z_score_is_over_the_real_columns(backend):
    inputs = backend()([WORD, LINE], return_tensors="pt")
    for values, mask in zip(inputs["pixel_values"], inputs["pixel_mask"], strict=True):
        real = values[:, :, mask == 1]
        assert real.mean() == pytest.approx(0, abs=1e-5)
        assert real.std(correction=0) == pytest.approx(1, abs=1e-4)


def test_channel_z_score_is_by_the_given_numbers(backend):
    image = np.full((48, 64), 102, np.uint8)  # 0.4
    values = backend()(
        image,
        **NO_GEOMETRY,
        num_channels=3,
        normalization="channel",
        image_mean=[0.4, 0.2, 0.0],
        image_std=[0.1, 0.1, 0.2],
        return_tensors="pt",
    )["pixel_values"]
    assert values[0].amax(dim=(1, 2)).tolist() == pytest.approx([0, 2, 2], abs=1e-5)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_blank_image_becomes_zeros(backend, level):
    inputs = backend()(np.full((60, 300), level, np.uint8), return_tensors="pt")
    assert (inputs["pixel_values"] == 0).all()
    assert inputs["pixel_mask"].any()


def test_paper_1_set_up_is_224x224_in_three_channels(backend):
    inputs = backend(**PAPER_1)([WORD, LINE], return_tensors="pt")
    assert inputs["pixel_values"].shape == (2, 3, 224, 224)
    assert inputs["pixel_mask"].shape == (2, 224) and inputs["pixel_mask"].all()


def test_batch_of_one_is_batch_of_many(backend):
    processor = backend()
    images = [WORD, LINE, np.full((9, 9), 255, np.uint8)]
    together = processor(images, return_tensors="pt", return_to_original=True)
    for i, image in enumerate(images):
        alone = processor(image, return_tensors="pt", return_to_original=True)
        width = alone["pixel_values"].shape[3]
        assert (alone["pixel_values"][0] == together["pixel_values"][i, :, :, :width]).all()
        assert alone["pixel_mask"].sum() == together["pixel_mask"][i].sum()
        assert (alone["to_original"][0] == together["to_original"][i]).all()


@pytest.mark.parametrize(
    "images",
    [
        pytest.param([WORD, WORD], id="list"),
        pytest.param((WORD, WORD), id="tuple"),
        pytest.param([[WORD], [WORD]], id="nested"),
        pytest.param(np.stack([np.array(WORD)] * 2)[:, None], id="four-dimensional-array"),
        pytest.param(torch.from_numpy(np.stack([np.array(WORD)] * 2))[..., None], id="tensor"),
    ],
)
def test_batches_of_every_kind(backend, images):
    expected = backend()(WORD, return_tensors="pt")["pixel_values"]
    values = backend()(images, return_tensors="pt")["pixel_values"]
    assert (values == expected).all() and len(values) == 2


def test_reads_paths(backend, tmp_path):
    LINE.save(tmp_path / "line.png")
    expected = backend()(LINE, return_tensors="pt")["pixel_values"]
    for path in (tmp_path / "line.png", str(tmp_path / "line.png")):
        assert (backend()(path, return_tensors="pt")["pixel_values"] == expected).all()


@pytest.mark.parametrize(
    ("size", "shape"), [(32, (32, 128)), ([40, 90], (40, 90)), ({"height": 32}, (32, 128))]
)
def test_size_may_be_a_number_or_a_pair(backend, size, shape):
    values = backend(size=size)(WORD, return_tensors="pt")["pixel_values"]
    assert values.shape == (1, 1, *shape)


def test_empty_list_raises(backend):
    with pytest.raises(ValueError, match="the list is empty"):
        backend()([])


def test_white_on_black_gives_the_same_values(backend):
    black_on_white = backend()(LINE, return_tensors="pt")["pixel_values"]
    white_on_black = backend()(255 - GREY, return_tensors="pt")["pixel_values"]
    assert (black_on_white == white_on_black).all()


def test_tones_are_left_alone_when_asked(backend):
    corrected, plain = (
        backend(do_correct_tones=correct, do_deskew=False, do_crop=False)(
            255 - GREY, return_tensors="pt"
        )["pixel_values"]
        for correct in (True, False)
    )
    assert torch.allclose(corrected, -plain, atol=0.02)


@pytest.mark.parametrize("paper", [255, 0])
def test_prepared_line_passes_unchanged(backend, paper):
    line = np.array(LINE.resize((333, 48)))
    line = line if paper else 255 - line
    values = backend()(line, **NO_GEOMETRY, do_normalize=False, return_tensors="np")["pixel_values"]
    assert values.shape == (1, 1, 48, 384)
    assert (np.rint(values[0, 0, :, :333] * 255) == line).all()


def test_prepared_line_of_another_height_raises(backend):
    with pytest.raises(ValueError, match="must have 48 rows, got 60"):
        backend()(np.zeros((60, 100), np.uint8), **NO_GEOMETRY)


def test_without_padding_lines_of_one_width_make_a_batch(backend):
    images = [np.array(LINE.resize((333, 48)))] * 2
    values = backend()(images, **NO_GEOMETRY, do_pad=False, return_tensors="pt")["pixel_values"]
    assert values.shape == (2, 1, 48, 333)


def test_without_padding_lines_of_different_widths_raise(backend):
    with pytest.raises(ValueError, match="do_pad=True"):
        backend()([WORD, LINE], do_pad=False)


def test_deskewing_is_switched_off_by_either_option(backend):
    image = LINE.rotate(5, expand=True, fillcolor=255)
    deskewed = backend()(image, return_tensors="np")["pixel_values"]
    off = backend()(image, do_deskew=False, return_tensors="np")["pixel_values"]
    none = backend()(image, num_deskew_passes=0, return_tensors="np")["pixel_values"]
    assert off.shape == none.shape and (off == none).all()
    assert off.shape != deskewed.shape


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"deskew_method": "moment"},
        {"do_deskew": False},
        {"width_scale": 1.5, "columns_per_stroke": 11},
    ],
)
def test_to_original_leads_a_dot_back_to_its_place(backend, options):
    image = np.array(LINE.rotate(3, expand=True, fillcolor=255)) // 2 + 120
    x, y = image.shape[1] // 2, image.shape[0] // 2
    image[y - 4 : y + 4, x - 4 : x + 4] = 0
    inputs = backend(**options)(
        image, do_normalize=False, return_to_original=True, return_tensors="np"
    )
    real = inputs["pixel_values"][0, 0, :, inputs["pixel_mask"][0] == 1].T
    rows, columns = np.nonzero(real < 60 / 255)
    dot = np.array([columns.mean() + 0.5, rows.mean() + 0.5, 1])
    assert inputs["to_original"][0] @ dot == pytest.approx([x, y], abs=1.5)


@pytest.mark.parametrize("width_scale", [0.8, 1.25])
def test_a_line_has_so_many_times_as_many_columns(backend, width_scale):
    plain, scaled = (
        backend(width_scale=scale)(LINE, do_normalize=False, return_tensors="np")
        for scale in (1.0, width_scale)
    )
    in_proportion, width = (int(inputs["pixel_mask"].sum()) for inputs in (plain, scaled))
    assert width == pytest.approx(width_scale * in_proportion, abs=0.6)
    stretched = Image.fromarray(np.float32(plain["pixel_values"][0, 0, :, :in_proportion]))
    expected = np.array(stretched.resize((width, 48), Image.Resampling.BILINEAR))
    assert np.abs(scaled["pixel_values"][0, 0, :, :width] - expected).mean() < 0.03


def test_a_dot_has_the_fewest_columns_at_any_width_scale(backend):
    dot = np.full((60, 60), 255, np.uint8)
    dot[28:32, 28:32] = 0
    for width_scale in (0.25, 1.0):
        mask = backend(width_scale=width_scale)(dot, return_tensors="np")["pixel_mask"]
        assert mask.sum() == MIN_WIDTH


def test_a_line_too_wide_warns_or_raises(backend):
    with pytest.warns(UserWarning, match="max_width is 128: squashed to"):
        values = backend()(LINE, max_width=128, return_tensors="pt")["pixel_values"]
    assert values.shape[3] == 128
    with pytest.raises(ValueError, match="max_width is 128"):
        backend()(LINE, max_width=128, on_too_wide="error")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"deskew_method": "hough"}, "'moment', 'line', got 'hough'"),
        ({"normalization": "batch"}, "'image', 'channel', got 'batch'"),
        ({"on_too_wide": "cut"}, "'warn', 'error', got 'cut'"),
        ({"num_deskew_passes": -1}, "num_deskew_passes must be an integer of at least 0"),
        ({"num_channels": 0}, "num_channels must be an integer of at least 1"),
        ({"max_width": 0}, "max_width must be an integer of at least 1"),
        ({"width_scale": 0}, "width_scale must be a positive number, got 0"),
        ({"columns_per_stroke": -1}, "columns_per_stroke must be a positive number, got -1"),
        ({"width_scale": float("nan")}, "width_scale must be a positive number, got nan"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of must be an integer of at least 1"),
        ({"size": {"width": 224}}, "size must be"),
        ({"size": {"height": -3}}, "size must be"),
        ({"size": {"height": 48, "width": 0}}, "size must be"),
        ({"size": {"shortest_edge": 48}}, "size must be"),
        ({"normalization": "channel"}, "needs image_mean .* got None"),
        (
            {"normalization": "channel", "image_mean": [0.0, 0.0], "image_std": [1.0, 1.0]},
            "image_mean with one number for each of 1 channels",
        ),
        ({**PAPER_1, "image_std": [0.0, 1.0, 1.0]}, "image_std must be positive"),
    ],
)
def test_unknown_option_values_raise(backend, option, message):
    with pytest.raises(ValueError, match=message):
        backend(**option)
    with pytest.raises(ValueError, match=message):
        backend()(WORD, **option)


@pytest.mark.parametrize("saved_by", BACKENDS)
@pytest.mark.parametrize(
    "options",
    [
        {"do_deskew": False},
        {"deskew_method": "moment", "num_deskew_passes": 2},
        {"num_deskew_passes": 0},
        {"do_crop": False},
        {"do_resize": False},
        {"do_normalize": False},
        {"do_pad": False},
        {"size": {"height": 64}},
        {"max_width": 999, "on_too_wide": "error"},
        {"pad_to_multiple_of": 32},
        {"return_to_original": True},
        PAPER_1,
    ],
)
def test_every_option_survives_saving(backend, saved_by, options, tmp_path):
    saved_by(**options).save_pretrained(tmp_path)
    loaded = backend.from_pretrained(tmp_path)
    for name, value in options.items():
        found = getattr(loaded, name)
        assert (list(found) if isinstance(value, list) else found) == value
    first, second = loaded.to_dict(), backend(**options).to_dict()
    assert all(first[name] == value or list(first[name]) == value for name, value in second.items())


def test_options_can_be_changed_while_loading(backend, tmp_path):
    backend().save_pretrained(tmp_path)
    assert backend.from_pretrained(tmp_path, do_deskew=False).do_deskew is False


@pytest.mark.parametrize(("return_tensors", "kind"), [("pt", torch.Tensor), ("np", np.ndarray)])
def test_return_tensors(backend, return_tensors, kind):
    inputs = backend()(WORD, return_tensors=return_tensors, return_to_original=True)
    assert set(inputs) == {"pixel_values", "pixel_mask", "to_original"}
    assert all(isinstance(value, kind) for value in inputs.values())
