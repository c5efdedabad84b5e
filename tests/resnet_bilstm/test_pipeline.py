import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from drawing import draw_text_line
from ngram_miniature import save_ngram
from PIL import Image
from transformers import pipeline
from transformers.pipelines.pt_utils import KeyDataset

import hwr_hf
from hwr_hf.careful_reading import read_each
from hwr_hf.resnet_bilstm import ResNetBiLstmConfig, ResNetBiLstmForCTC
from hwr_hf.resnet_bilstm.ctc_resnet_bilstm import ctc_log_probability
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import CharacterNgram
from hwr_hf.resnet_bilstm.pipeline_resnet_bilstm import (
    box_in_original,
    columns_per_line,
    word_boxes,
    word_segments,
)


@pytest.fixture(scope="module")
def reader(tiny_model_dir):
    return pipeline("image-to-text", model=str(tiny_model_dir), device="cpu")


@pytest.fixture(scope="module")
def images():
    texts = ["a", "hello there", "to", "a much longer line", "ok", "", "middle", "x y", "end"]
    return [draw_text_line(text) for text in texts]


@pytest.fixture(scope="module")
def readings(reader, images):
    """What each image reads on its own."""
    return [reader(image) for image in images]


def texts_of(readings):
    return [reading["generated_text"] for (reading,) in readings]


def scores_of(readings):
    return [reading["score"] for (reading,) in readings]


def assert_same(readings, expected):
    assert texts_of(readings) == texts_of(expected)
    assert scores_of(readings) == pytest.approx(scores_of(expected), rel=1e-2)


class Images(torch.utils.data.Dataset):
    """Images that are read one after the other, when the caller asks."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


def test_two_readings_at_a_time_leave_the_number_of_threads_as_it_was(reader, images):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        pairs = list(zip(reader(Images(images)), reader(Images(images)), strict=True))
        assert all(first == second for first, second in pairs)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_lines_of_worker_processes_take_few_open_files(tiny_model_dir):
    program = """
import resource, sys
from drawing import draw_text_line
from transformers import pipeline
import hwr_hf
reader = pipeline("image-to-text", model=sys.argv[1], device="cpu")
resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150))
print(len(reader([draw_text_line("on")] * 60, batch_size=16, num_workers=1)))
"""
    command = [sys.executable, "-c", program, str(tiny_model_dir)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.stdout.strip() == "60", ended.stderr[-2000:]


def test_options_of_the_beam_stay_out_of_a_greedy_reading(tiny_model_dir, images, tmp_path):
    ngram = save_ngram(tmp_path / "ngram.safetensors")
    options = {"decoder": "beam", "ngram": str(ngram), "num_return_sequences": 2, "lm_weight": 0.1}
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu", **options)
    assert len(reader(images[1])) == 2
    greedy = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu")
    assert reader(images[1], decoder="greedy") == greedy(images[1])
    with pytest.raises(ValueError, match="lm_weight is an option of the beam search"):
        reader(images[1], decoder="greedy", lm_weight=0.2)
    with pytest.raises(ValueError, match="num_return_sequences is an option of the beam search"):
        greedy(images[1], num_return_sequences=2)


def test_the_random_model_reads_something(readings):
    assert len(set(texts_of(readings))) > 4


def test_one_image_reads_as_a_list_of_one_text_and_its_score(reader, images):
    reading = reader(images[1])
    assert len(reading) == 1 and set(reading[0]) == {"generated_text", "score"}
    assert isinstance(reading[0]["generated_text"], str)
    assert 0 <= reading[0]["score"] <= 1


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_a_list_reads_as_its_images_do(reader, images, readings, batch_size):
    assert_same(reader(images, batch_size=batch_size), readings)


@pytest.mark.parametrize(
    ("device", "dtype", "expected"),
    [
        pytest.param("cpu", torch.float32, 672, id="cpu"),
        pytest.param("cpu", torch.bfloat16, 672, id="cpu-half"),
        pytest.param("meta", torch.float32, 448, id="gpu"),
        pytest.param("meta", torch.bfloat16, 2 * 448, id="gpu-half"),
    ],
)
def test_a_batch_has_as_many_columns_as_there_is_room_for(device, dtype, expected):
    model = ResNetBiLstmForCTC(ResNetBiLstmConfig()).to(device, dtype)  # meta: no CPU, as a GPU
    assert columns_per_line(model) == expected


@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_generator_reads_as_its_images_do(reader, images, readings, batch_size):
    assert_same(list(reader((image for image in images), batch_size=batch_size)), readings)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_key_dataset_reads_as_its_images_do(reader, images, readings, batch_size):
    rows = [{"image": image, "text": "?"} for image in images]
    assert_same(list(reader(KeyDataset(rows, "image"), batch_size=batch_size)), readings)


def test_a_saved_pipeline_reads_the_same(reader, images, readings, tmp_path):
    reader.save_pretrained(tmp_path)
    assert_same(pipeline("image-to-text", model=str(tmp_path), device="cpu")(images), readings)


def test_a_broken_image_stops_a_list_with_its_name(reader, images, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    paths = [tmp_path / "good.png", tmp_path / "broken.png"]
    images[1].save(paths[0])
    with pytest.raises(ValueError, match=r"broken\.png"):
        reader([str(path) for path in paths], batch_size=2)


def test_a_batch_size_given_at_construction_holds(tiny_model_dir, images, readings):
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu", batch_size=8)
    assert_same(reader(images), readings)


def test_loader_processes_read_the_same(reader, images, readings):
    assert_same(reader(images[:3], batch_size=2, num_workers=1), readings[:3])


@pytest.mark.parametrize("batch_size", [0, -1, "4", 2.0])
def test_a_batch_size_that_is_none_is_refused(reader, images, tiny_model_dir, batch_size):
    message = rf"batch_size={batch_size!r} is not allowed: use an integer of at least 1"
    for inputs in (images[:2], images[0], iter(images[:2])):
        with pytest.raises(ValueError, match=message):
            reader(inputs, batch_size=batch_size)
    with pytest.raises(ValueError, match=message):
        pipeline("image-to-text", model=str(tiny_model_dir), device="cpu", batch_size=batch_size)


def test_an_empty_list_reads_as_an_empty_list(reader):
    assert reader([]) == []


@pytest.mark.parametrize(
    "convert",
    [
        pytest.param(np.asarray, id="numpy"),
        pytest.param(lambda image: np.asarray(image.convert("RGB")), id="numpy-rgb"),
        pytest.param(lambda image: torch.from_numpy(np.array(image)), id="torch"),
        pytest.param(lambda image: image.convert("RGBA"), id="rgba"),
    ],
)
def test_an_array_reads_as_its_image_does(reader, images, readings, convert):
    assert_same([reader(convert(images[3]))], readings[3:4])
    assert_same(reader([convert(image) for image in images[:3]], batch_size=2), readings[:3])


@pytest.mark.parametrize("as_type", [str, lambda path: path], ids=["str", "Path"])
def test_a_path_reads_as_its_image_does(reader, images, readings, tmp_path, as_type):
    images[3].save(tmp_path / "line.png")
    assert_same([reader(as_type(tmp_path / "line.png"))], readings[3:4])


def test_light_writing_on_dark_reads_as_dark_on_light(reader, images, readings):
    assert_same([reader(255 - np.asarray(images[3]))], readings[3:4])


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(np.full((60, 300), 255, np.uint8), id="white"),
        pytest.param(np.full((60, 300), 0, np.uint8), id="black"),
        pytest.param(
            np.random.default_rng(0).normal(200, 2, (60, 300)).astype(np.uint8), id="noise"
        ),
        pytest.param(np.full((1, 1), 255, np.uint8), id="one-pixel"),
    ],
)
def test_a_blank_page_reads_as_nothing(reader, page):
    nothing = {"generated_text": "", "score": 1.0}
    assert reader(page) == [nothing]
    assert reader(page, return_words=True) == [nothing | {"words": []}]


def test_float64_reads_the_same(tiny_model_dir, images, readings):
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu", dtype=torch.float64)
    assert reader.model.dtype == torch.float64
    assert_same(reader(images, batch_size=8), readings)


def test_float16_weights_are_computed_in_float32_on_a_cpu(tiny_model_dir, images):
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu", dtype=torch.float16)
    assert reader.model.dtype == torch.float32
    assert_same(reader(images, batch_size=8), [reader(image) for image in images])


def test_bfloat16_reads(tiny_model_dir, images):
    reader = pipeline(
        "image-to-text", model=str(tiny_model_dir), device="cpu", dtype=torch.bfloat16
    )
    assert reader.model.dtype == torch.bfloat16
    assert all(0 <= score <= 1 for score in scores_of(reader(images, batch_size=8)))


@pytest.mark.parametrize("options", [{}, {"decoder": "beam", "lm_weight": 0}, {"num_views": 2}])
@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_damaged_weights_are_named_and_no_image(tiny_model_dir, images, weight, options):
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu")
    with torch.no_grad():
        for parameter in reader.model.parameters():
            parameter[0] = weight
    with pytest.raises(ValueError, match=r"model's weights are damaged.*Get the model again"):
        reader(images[:2], batch_size=2, **options)
    outcomes = list(read_each(reader, images[:2], lambda image: image, **options))
    assert all("weights are damaged" in str(outcome) for outcome in outcomes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_reads_the_same_on_a_gpu(tiny_model_dir, images, readings):
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cuda")
    assert texts_of(reader(images, batch_size=8)) == texts_of(readings)


def test_score_is_the_probability_of_the_text(reader, images):
    outputs = reader.forward(reader.preprocess(images[3]))
    (reading,) = reader.postprocess(outputs)
    labels = reader.tokenizer(reading["generated_text"]).input_ids
    expected = np.exp(ctc_log_probability(outputs["logits"][0], labels))
    assert reading["score"] == pytest.approx(expected, rel=1e-6)


def test_the_temperature_changes_scores_and_no_text(reader, images, monkeypatch):
    outputs = reader.forward(reader.preprocess(images[3]))
    (plain,) = reader.postprocess(outputs, return_words=True)
    monkeypatch.setattr(reader.model.config, "temperature", 2.0)
    (scaled,) = reader.postprocess(outputs, return_words=True)
    assert scaled["generated_text"] == plain["generated_text"]
    labels = reader.tokenizer(scaled["generated_text"]).input_ids
    expected = ctc_log_probability(outputs["logits"][0].double() / 2, labels)
    # Random weights give scores far below what approx() tells from 0.
    assert np.log(scaled["score"]) == pytest.approx(expected, rel=1e-6)
    assert np.log(scaled["score"]) != pytest.approx(np.log(plain["score"]), rel=0.1)
    boxes = [word["box"] for word in plain["words"]]
    assert [word["box"] for word in scaled["words"]] == boxes
    assert [w["score"] for w in scaled["words"]] != [w["score"] for w in plain["words"]]


def test_a_broken_image_in_a_list_is_named(reader, images, tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"Cannot read the image '.*broken\.png'"):
        reader([images[0], str(path)], batch_size=2)


def test_a_missing_image_is_named(reader):
    with pytest.raises(ValueError, match=r"Cannot read the image 'no/such\.png'"):
        reader("no/such.png")


def test_a_truncated_image_that_was_opened_elsewhere_is_named(reader, tmp_path):
    path = tmp_path / "half.png"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"half\.png"):
        reader([Image.open(path)])


def test_a_line_the_image_processor_refuses_is_named(reader, images, tmp_path, monkeypatch):
    monkeypatch.setattr(reader.image_processor, "max_width", 64)
    monkeypatch.setattr(reader.image_processor, "on_too_wide", "error")
    images[3].save(tmp_path / "wide.png")
    with pytest.raises(ValueError, match=r"wide\.png.*max_width is 64"):
        reader(tmp_path / "wide.png")


def test_an_array_that_is_no_image_is_refused(reader):
    with pytest.raises(ValueError, match="ndarray"):
        reader(np.zeros((2, 3, 4, 5), np.uint8))


def test_an_open_file_is_refused_and_stays_open(reader, tmp_path):
    draw_text_line("a").save(tmp_path / "line.png")
    with open(tmp_path / "line.png", "rb") as file:
        with pytest.raises(ValueError, match="An image must be a path"):
            reader(file)
        assert file.read(4) == b"\x89PNG"


def test_a_model_without_a_ctc_head_is_refused(reader):
    config = hwr_hf.ResNetBiLstmConfig(hidden_sizes=[8, 8, 8], depths=[1, 1, 1], num_steps=8)
    model = hwr_hf.ResNetBiLstmForCharacterSequence(config)
    with pytest.raises(ValueError, match="no CTC head"):
        hwr_hf.ResNetBiLstmPipeline(model, reader.tokenizer, image_processor=reader.image_processor)


def test_another_models_tokenizer_is_refused(reader):
    with pytest.raises(ValueError, match="4 ids"):
        hwr_hf.ResNetBiLstmPipeline(
            reader.model,
            hwr_hf.ResNetBiLstmTokenizer("ab"),
            image_processor=reader.image_processor,
        )


# Words


def outputs_that_read(reader, image, letters):
    """Outputs for an image whose frame under each given column of the image is that letter."""
    inputs = reader.preprocess(image)
    stride = reader.model.config.column_stride
    logits = torch.zeros(1, inputs["pixel_values"].shape[-1] // stride, len(reader.tokenizer))
    scale, _, shift = inputs["to_original"][0, 0].tolist()
    path = [0] * logits.shape[1]
    for letter, column in letters:
        path[int((column - shift) / scale / stride)] = reader.tokenizer(letter).input_ids[0]
    logits[0, torch.arange(len(path)), path] = 20.0
    return {"logits": logits, **inputs}


@pytest.fixture(scope="module")
def two_bars():
    """A paper with two upright bars: columns 100-120 and 300-330, rows 40-100."""
    page = np.full((160, 500), 255, np.uint8)
    page[40:100, 100:120] = 0
    page[40:100, 300:330] = 0
    return page


def test_words_have_text_score_and_the_box_of_their_ink(reader, two_bars):
    outputs = outputs_that_read(reader, two_bars, [("a", 105), ("b", 115), (" ", 200), ("c", 315)])
    (reading,) = reader.postprocess(outputs, return_words=True)
    assert reading["generated_text"] == "ab c"
    first, second = reading["words"]
    assert (first["text"], second["text"]) == ("ab", "c")
    # A pixel of the prepared line is 60 / 48 of the original's, and its edge may fall within one.
    assert first["box"] == pytest.approx([100, 40, 120, 100], abs=3)
    assert second["box"] == pytest.approx([300, 40, 330, 100], abs=3)
    assert reading["score"] <= first["score"] <= 1 and reading["score"] <= second["score"] <= 1


def test_one_word_has_the_score_of_the_text(reader, two_bars):
    outputs = outputs_that_read(reader, two_bars, [("a", 110), ("b", 310)])
    (reading,) = reader.postprocess(outputs, return_words=True)
    (word,) = reading["words"]
    assert word["score"] == pytest.approx(reading["score"])
    assert word["box"] == pytest.approx([100, 40, 330, 100], abs=3)


def test_an_unsure_word_scores_below_a_sure_one(reader, two_bars):
    outputs = outputs_that_read(reader, two_bars, [("a", 110), (" ", 200), ("c", 315)])
    c, d = reader.tokenizer("cd").input_ids
    (frame,) = torch.nonzero(outputs["logits"][0, :, c] == 20.0).flatten().tolist()
    outputs["logits"][0, frame, d] = 19.9
    (reading,) = reader.postprocess(outputs, return_words=True)
    first, second = reading["words"]
    assert second["text"] == "c" and second["score"] == pytest.approx(0.525, abs=0.01)
    assert first["score"] > 0.99


def test_words_come_with_every_way_of_reading(reader, images):
    one_by_one = [reader(image, return_words=True) for image in images]
    batched = reader(images, return_words=True, batch_size=8)
    for (reading,), (again,) in zip(one_by_one, batched, strict=True):
        words = reading["words"]
        assert [word["text"] for word in words] == reading["generated_text"].split()
        assert [word["box"] for word in words] == [word["box"] for word in again["words"]]


def test_boxes_lie_inside_the_image(reader, images):
    for image in images:
        turned = image.rotate(8, expand=True, fillcolor=255)
        (reading,) = reader(turned, return_words=True)
        for x0, y0, x1, y1 in (word["box"] for word in reading["words"]):
            assert 0 <= x0 < x1 <= turned.width and 0 <= y0 < y1 <= turned.height


@pytest.mark.parametrize(
    ("labels", "segments"),
    [
        ([], []),
        ([2, 2], []),
        ([5], [(0, 1)]),
        ([2, 5, 6, 2, 2, 7, 2], [(1, 3), (5, 6)]),
    ],
)
def test_word_segments(labels, segments):
    assert word_segments(labels, space_id=2) == segments


def test_words_are_cut_in_the_widest_gap_between_their_letters():
    ink = np.zeros((10, 100), bool)
    ink[2:8, 10:30] = ink[4:9, 33:40] = True  # one word, with a small gap in it
    ink[1:5, 60:90] = True
    assert word_boxes(ink, [((12, 14), (28, 30)), ((70, 72), (80, 82))]) == [
        (10, 2, 40, 9),
        (60, 1, 90, 5),
    ]


def test_a_word_without_ink_gets_its_part_of_the_line():
    assert word_boxes(np.zeros((10, 100), bool), [((20, 22), (20, 22)), ((60, 62), (60, 62))]) == [
        (0, 0, 41, 10),
        (41, 0, 100, 10),
    ]


def test_box_of_a_turned_line_is_the_upright_box_around_it():
    quarter_turn = np.array([[0.0, -1.0, 50.0], [1.0, 0.0, 10.0]])  # (x, y) -> (50 - y, x + 10)
    assert box_in_original((5, 2, 25, 12), quarter_turn, [100, 100]) == [38, 15, 48, 35]


def test_box_is_clipped_to_the_image():
    identity = np.eye(3)[:2]
    assert box_in_original((-4, 2, 25, 12), identity, [20, 10]) == [0, 2, 20, 10]


def test_every_line_squashed_is_named(tiny_model_dir, tmp_path, recwarn):
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu")
    reader.image_processor.max_width = 64
    paths = [tmp_path / "first.png", tmp_path / "second.png"]
    for path in paths:
        draw_text_line("a line too wide").save(path)
    reader([str(path) for path in paths])
    messages = [str(warning.message) for warning in recwarn if "squashed" in str(warning.message)]
    assert ["first.png" in messages[0], "second.png" in messages[1]] == [True, True]


def test_a_column_of_a_data_set_is_several_images(tiny_model_dir):
    import datasets

    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu")
    images = [draw_text_line("one"), draw_text_line("two")]
    features = datasets.Features({"image": datasets.Image()})
    column = datasets.Dataset.from_dict({"image": images}, features=features)["image"]
    assert reader(column) == reader(images)


@pytest.fixture(scope="module")
def ngram_file(tmp_path_factory):
    return save_ngram(tmp_path_factory.mktemp("ngram") / "mine.safetensors")


def test_the_beam_returns_the_best_texts_with_both_scores(reader, images, ngram_file):
    options = {"decoder": "beam", "ngram": ngram_file, "num_return_sequences": 3}
    readings = reader(images[1], **options)
    assert len(readings) == 3
    assert all(set(r) == {"generated_text", "score", "fused_score"} for r in readings)
    assert len({reading["generated_text"] for reading in readings}) == 3
    fused = [reading["fused_score"] for reading in readings]
    assert fused == sorted(fused, reverse=True)
    assert reader(images[1], decoder="beam", ngram=ngram_file) == readings[:1]


def test_the_score_of_a_beams_text_is_its_probability_alone(reader, images, ngram_file):
    outputs = reader.forward(reader.preprocess(images[3]))
    logits = outputs["logits"][0]
    wide = {"beam_width": 200, "beam_margin": 1e9, "min_probability": 0.0}
    for reading in reader.postprocess(
        outputs, decoder="beam", ngram=ngram_file, num_return_sequences=2, **wide
    ):
        labels = reader.tokenizer(reading["generated_text"]).input_ids
        log_probability = ctc_log_probability(logits, labels)
        assert reading["score"] == pytest.approx(np.exp(log_probability), rel=1e-6)
        ngram = CharacterNgram.load(ngram_file)
        text = reading["generated_text"]
        expected = log_probability + 0.5 * ngram.log_probability(text + " ") + 0.5 * len(text)
        assert reading["fused_score"] == pytest.approx(expected, rel=1e-2)


def test_the_beam_without_an_ngram_finds_no_less_probable_text(reader, images, readings):
    for image, (greedy,) in zip(images[:4], readings, strict=False):
        (found,) = reader(image, decoder="beam", lm_weight=0, beam_width=50)
        assert found["score"] >= greedy["score"] * (1 - 1e-9)


def test_the_beams_words_have_scores_and_boxes(reader, images, ngram_file):
    (reading,) = reader(images[3], decoder="beam", ngram=ngram_file, return_words=True)
    assert [word["text"] for word in reading["words"]] == reading["generated_text"].split()
    assert all(0 <= word["score"] <= 1 and len(word["box"]) == 4 for word in reading["words"])


def test_a_blank_page_reads_as_nothing_with_the_beam(reader, ngram_file):
    page = np.full((60, 300), 255, np.uint8)
    assert reader(page, decoder="beam", ngram=ngram_file) == [
        {"generated_text": "", "score": 1.0, "fused_score": 0.0}
    ]


@pytest.fixture
def folder_with_ngram(tiny_model_dir, ngram_file, tmp_path):
    folder = shutil.copytree(tiny_model_dir, tmp_path / "model")
    shutil.copyfile(ngram_file, folder / "ngram.safetensors")
    return folder


def test_the_ngram_beside_the_model_is_taken_and_saved_with_it(
    folder_with_ngram, reader, images, ngram_file, tmp_path
):
    beam_reader = pipeline(
        "image-to-text", model=str(folder_with_ngram), device="cpu", decoder="beam"
    )
    expected = reader(images[1], decoder="beam", ngram=ngram_file)
    assert beam_reader(images[1]) == expected
    assert "fused_score" not in beam_reader(images[1], decoder="greedy")[0]
    beam_reader.save_pretrained(tmp_path / "saved")
    beam_reader.save_pretrained(folder_with_ngram)  # onto itself
    for folder in (tmp_path / "saved", folder_with_ngram):
        assert (folder / "ngram.safetensors").read_bytes() == ngram_file.read_bytes()


def test_a_pipeline_with_another_ngram_saves_that_one(tiny_model_dir, ngram_file, tmp_path):
    reader = pipeline(
        "image-to-text", model=str(tiny_model_dir), decoder="beam", ngram=str(ngram_file)
    )
    reader.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "ngram.safetensors").read_bytes() == ngram_file.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "viterbi"}, "decoder='viterbi' is not one of greedy, beam"),
        ({"decoder": "beam"}, r"decoder='beam' needs ngram\.safetensors beside the model"),
        ({"decoder": "beam", "lm_weihgt": 1}, "'lm_weihgt' is no setting"),
        ({"decoder": "beam", "lm_weight": 0, "beam_width": 0}, "beam_width=0 is not allowed"),
    ],
)
def test_a_wrong_decoder_is_refused_when_the_pipeline_is_made(tiny_model_dir, options, message):
    with pytest.raises(ValueError, match=message):
        pipeline("image-to-text", model=str(tiny_model_dir), device="cpu", **options)


@pytest.mark.parametrize("option", [{"num_return_sequences": 2}, {"lm_weight": 1.0}])
def test_options_of_the_beam_are_refused_for_greedy(reader, images, option):
    with pytest.raises(ValueError, match=r"option of the beam search. Add decoder='beam'"):
        reader(images[0], **option)
