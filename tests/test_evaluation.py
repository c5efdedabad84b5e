import hashlib
import io
import json
import re
import shutil

import pytest
import torch
from datasets import Dataset, Features, Value
from datasets import Image as ImageFeature
from drawing import draw_text_line
from ngram_miniature import save_ngram
from transformers import pipeline

from hwr_hf.evaluation import confusions, evaluate_model, write_report
from hwr_hf.resnet_bilstm import ResNetBiLstmForCTC

TEXTS = ["a house", "the cat sat on the mat", "it", "Once & more", "seven <b> ducks"]
ABOUT = {"dataset": "drawn lines", "unit": "lines", "split": "own", "text": "natural"}


def png(image):
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def dataset_of(images, texts, **columns):
    rows = {"image": [{"bytes": image, "path": None} for image in images], "text": texts, **columns}
    features = {name: Value("string") for name in rows} | {"image": ImageFeature()}
    return Dataset.from_dict(rows, features=Features(features))


@pytest.fixture(scope="module")
def lines():
    return dataset_of(
        [png(draw_text_line(text)) for text in TEXTS],
        TEXTS,
        id=[f"line-{i}" for i in range(5)],
        writer_id=["ann", "ann", "bob", "bob", "cleo"],
    )


@pytest.fixture(scope="module")
def result(tiny_model_dir, lines):
    return evaluate_model(tiny_model_dir, lines, progress=False)


@pytest.fixture
def report(result, tmp_path):
    write_report(result, tmp_path / "new" / "report.json", ABOUT)
    return json.loads((tmp_path / "new" / "report.json").read_text())


def test_lines_keep_the_order_of_the_data_set(result):
    assert result.ids == [f"line-{i}" for i in range(5)]
    assert result.references == TEXTS
    assert result.writer_ids == ["ann", "ann", "bob", "bob", "cleo"]


def test_random_model_reads_something_wrong(result):
    assert any(result.predictions)
    assert result.cer > 0.5


def test_a_model_that_reads_the_references_has_no_errors(tiny_model_dir, lines, result):
    agreeing = lines.remove_columns("text").add_column("text", result.predictions)
    again = evaluate_model(tiny_model_dir, agreeing, progress=False)
    assert (again.cer, again.wer) == (0.0, 0.0)
    assert again.cer_interval == (0.0, 0.0)


def test_batch_size_does_not_change_the_texts(tiny_model_dir, lines, result):
    for batch_size in (1, 2):
        one = evaluate_model(tiny_model_dir, lines, batch_size=batch_size, progress=False)
        assert one.predictions == result.predictions


def test_lowercase_compares_without_case(tiny_model_dir, lines):
    lower = evaluate_model(tiny_model_dir, lines, lowercase=True, progress=False)
    assert lower.references[3] == "once & more"
    assert lower.predictions == [text.lower() for text in lower.predictions]


def test_num_samples_draws_the_same_lines_for_a_seed(tiny_model_dir, lines):
    def ids(seed):
        return evaluate_model(tiny_model_dir, lines, num_samples=2, seed=seed, progress=False).ids

    assert ids(3) == ids(3)
    assert len(ids(3)) == 2
    assert len({tuple(ids(seed)) for seed in range(5)}) > 1


def test_broken_images_are_named_and_counted_in_no_rate(tiny_model_dir, result):
    whole = [png(draw_text_line(text)) for text in TEXTS[:2]]
    broken = dataset_of(
        [whole[0], b"", whole[1], whole[1][:200], b"no image at all"],
        [TEXTS[0], "x", TEXTS[1], "y", "z"],
        id=["whole-0", "empty", "whole-1", "cut-off", "foreign"],
    )
    some = evaluate_model(tiny_model_dir, broken, batch_size=2, progress=False)
    assert some.broken == ["empty", "cut-off", "foreign"]
    assert some.ids == ["whole-0", "whole-1"]
    assert some.predictions == result.predictions[:2]


def test_all_images_broken_is_an_error(tiny_model_dir):
    with pytest.raises(ValueError, match="None of the 1 images can be read"):
        evaluate_model(tiny_model_dir, dataset_of([b"no image"], ["x"]), progress=False)


def test_damaged_weights_are_told_and_do_not_read_as_nothing(tiny_model_dir, lines, tmp_path):
    model = ResNetBiLstmForCTC.from_pretrained(tiny_model_dir)
    torch.nn.init.constant_(model.ctc_head.bias, torch.nan)
    damaged = shutil.copytree(tiny_model_dir, tmp_path / "damaged")
    model.save_pretrained(damaged)
    with pytest.raises(ValueError, match="the model's weights are damaged"):
        evaluate_model(damaged, lines, progress=False)


def test_missing_column_is_named(tiny_model_dir, lines):
    with pytest.raises(ValueError, match="no column 'text', only image, label"):
        evaluate_model(
            tiny_model_dir, lines.select_columns(["image", "text"]).rename_column("text", "label")
        )


def test_no_lines_is_an_error(tiny_model_dir, lines):
    with pytest.raises(ValueError, match="There is no line to read"):
        evaluate_model(tiny_model_dir, lines.select([]))


def test_image_processor_options_replace_the_saved_settings(tiny_model_dir, lines, result):
    options = {"do_deskew": True, "deskew_method": "moment", "num_deskew_passes": 2}
    variant = evaluate_model(tiny_model_dir, lines, image_processor_options=options, progress=False)
    assert options.items() <= variant.image_processor.items()
    assert variant.image_processor.keys() == result.image_processor.keys()


def test_unknown_image_processor_option_is_refused(tiny_model_dir, lines):
    with pytest.raises(ValueError, match="'do_dance' is no setting of ResNetBiLstmImageProcessor"):
        evaluate_model(tiny_model_dir, lines, image_processor_options={"do_dance": True})


def test_report_holds_what_a_number_needs(report, result):
    assert {name: report[name] for name in ABOUT} == ABOUT
    assert report["cer"] == round(result.cer, 5)
    assert report["wer"] == round(result.wer, 5)
    assert report["cer_interval"][0] <= report["cer"] <= report["cer_interval"][1]
    assert (report["lines"], report["characters"], report["writers"]) == (5, 57, 3)
    assert report["broken_images"] == 0
    assert (report["decoder"], report["decoder_settings"]) == ("greedy", None)
    assert report["text_normalisation"] == "none (case-sensitive)"
    assert re.fullmatch("[0-9a-f]{64}", report["model_sha256"])
    assert report["versions"]["transformers"].startswith("5.")


def test_report_says_with_what_the_beam_searched(tiny_model_dir, lines, result, tmp_path):
    path = save_ngram(tmp_path / "ngram.safetensors", {"lm_weight": 0.5, "length_bonus": 0.2})
    options = {"ngram": path, "beam_width": 8}
    beam = evaluate_model(
        tiny_model_dir, lines, decoder="beam", decoder_options=options, progress=False
    )
    assert beam.predictions != result.predictions
    report = write_report(beam, tmp_path / "report.json", ABOUT)
    assert report["decoder"] == "beam"
    settings = report["decoder_settings"]
    assert (settings["lm_weight"], settings["length_bonus"]) == (0.5, 0.2)
    assert settings["beam_width"] == 8
    assert settings["ngram_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_beam_reads_as_the_pipeline_does(tiny_model_dir, lines):
    options = {"lm_weight": 0, "beam_width": 8}
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu")
    beam = evaluate_model(
        tiny_model_dir, lines, decoder="beam", decoder_options=options, progress=False
    )
    read = [reader(image, decoder="beam", **options)[0] for image in lines["image"]]
    assert beam.predictions == [reading["generated_text"] for reading in read]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": "best"}, "decoder='best' is not one of greedy, beam"),
        ({"decoder": "beam"}, "needs ngram.safetensors"),
        ({"decoder_options": {"lm_weight": 1.0}}, "lm_weight is an option of the beam search"),
    ],
)
def test_wrong_decoding_is_refused(tiny_model_dir, lines, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate_model(tiny_model_dir, lines, progress=False, **options)


def test_report_holds_no_text_of_the_data_set(report):
    assert "the cat sat" not in json.dumps(report)


@pytest.mark.parametrize(
    ("options", "deskew", "passes"),
    [
        pytest.param({"do_deskew": False}, "none", 0, id="none"),
        pytest.param(
            {"do_deskew": True, "deskew_method": "moment", "num_deskew_passes": 2},
            "moment",
            2,
            id="moment-twice",
        ),
    ],
)
def test_report_says_how_images_were_deskewed(
    tiny_model_dir, lines, tmp_path, options, deskew, passes
):
    variant = evaluate_model(
        tiny_model_dir, lines, image_processor_options=options, num_samples=1, progress=False
    )
    report = write_report(variant, tmp_path / "report.json", ABOUT)
    assert (report["deskew"], report["num_deskew_passes"]) == (deskew, passes)


def test_report_leaves_out_folders_of_this_machine(result, tmp_path):
    command = ["hwr-hf", "evaluate", "--iam", "/home/me/iam", "--model=/home/me/model", "--x", "y"]
    report = write_report(result, tmp_path / "report.json", ABOUT | {"command": command})
    assert report["command"] == "hwr-hf evaluate --iam iam --model=model --x y"
    assert report["model"] == "tiny"


@pytest.mark.parametrize(
    ("references", "predictions", "pairs"),
    [
        pytest.param(["house", "hat"], ["mouse", "mat"], [("h", "m", 2)], id="substitution"),
        pytest.param(["a b "], ["ab"], [(" ", "", 1)], id="missed-space"),
        pytest.param(["it"], [" it's"], [("", "'", 1), ("", "s", 1)], id="invented"),
        pytest.param(["aab"], ["oou"], [("a", "o", 2), ("b", "u", 1)], id="most-frequent-first"),
        pytest.param(["same"], ["same"], [], id="none"),
    ],
)
def test_confusions(references, predictions, pairs):
    found = confusions(references, predictions)
    assert [(pair["true"], pair["read"], pair["count"]) for pair in found] == pairs


def test_report_counts_confusions_and_names_the_worst_lines(report, result):
    assert (
        sum(pair["count"] for pair in report["confusions"]) <= result.counts.character_edits.sum()
    )
    assert 0 < len(report["confusions"]) <= 30
    worst = report["worst_lines"]
    edits = dict(zip(result.ids, result.counts.character_edits.tolist(), strict=True))
    assert [line["edits"] for line in worst] == sorted(edits.values(), reverse=True)
    assert all(set(line) == {"id", "edits", "characters"} for line in worst)
    assert all(line["edits"] == edits[line["id"]] for line in worst)


def test_views_are_read_and_reported(tiny_model_dir, lines, result, tmp_path):
    viewed = evaluate_model(tiny_model_dir, lines, num_views=3, progress=False)
    assert viewed.predictions != result.predictions  # of random weights, which nothing steadies
    assert write_report(viewed, tmp_path / "viewed.json", ABOUT)["num_views"] == 3
    assert write_report(result, tmp_path / "plain.json", ABOUT)["num_views"] == 1


def test_interval_needs_two_known_writers(tiny_model_dir, lines, tmp_path):
    anonymous = evaluate_model(tiny_model_dir, lines.remove_columns("writer_id"), progress=False)
    assert anonymous.cer_interval is None
    assert write_report(anonymous, tmp_path / "report.json", ABOUT)["wer_interval"] is None
