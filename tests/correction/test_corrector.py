import json
import math
import shutil

import pytest
import torch
from bert_miniature import PAIRS, POSITIONS, make_corrector, make_tokenizer
from transformers import BertConfig, BertModel

from hwr_hf.correction import BertCorrector, GateSettings, has_corrector
from hwr_hf.correction.edits import apply_edits
from hwr_hf.hub import push_model

RECOGNISED = [recognised for recognised, _ in PAIRS]
TRUE = [text for _, text in PAIRS]


@pytest.fixture(scope="module")
def saved(trained_corrector, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "corrector"
    trained_corrector.save_pretrained(folder)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    """A copy of the saved corrector, to be damaged."""
    return shutil.copytree(saved, tmp_path / "copy")


@pytest.fixture
def corrector(saved):
    """A copy of the trained one, to be changed."""
    return BertCorrector.from_pretrained(saved)


def corrected(corrections):
    return [correction.corrected for correction in corrections]


def test_a_tiny_bert_corrects_the_pairs_it_was_trained_on(trained_corrector):
    assert corrected(trained_corrector.correct(RECOGNISED)) == TRUE


def test_a_call_corrects_one_text(trained_corrector):
    assert trained_corrector("Lcndon was") == "London was"


def test_both_texts_and_the_edits_are_kept(trained_corrector):
    (correction,) = trained_corrector.correct(["the pcst came"])
    assert (correction.recognised, correction.corrected) == ("the pcst came", "the post came")
    (edit,) = correction.edits
    assert (edit.start, edit.end, edit.old, edit.new) == (4, 8, "pcst", "post")
    assert edit.accepted and edit.score == edit.corrector_change > 0
    assert edit.recogniser_change is None


def test_a_batch_corrects_as_its_lines_do(trained_corrector, corrector):
    corrector.batch_size = 3
    alone = [trained_corrector.correct([text])[0] for text in RECOGNISED]
    for batch in (trained_corrector.correct(RECOGNISED), corrector.correct(RECOGNISED)):
        assert corrected(batch) == corrected(alone)
        for one, other in zip(batch, alone, strict=True):
            scores = [edit.score for edit in other.edits]
            assert [edit.score for edit in one.edits] == pytest.approx(scores, abs=1e-3)


def test_the_score_of_an_edit_is_what_the_model_says_of_both_texts(trained_corrector):
    (correction,) = trained_corrector.correct(["the hause"])
    model, tokenizer = trained_corrector.model, trained_corrector.tokenizer

    def log_probability(text):  # by the library's own loss: the mean over the labels
        encoded = tokenizer("the hause", return_tensors="pt")
        labels = tokenizer(text, return_tensors="pt").input_ids[:, 1:]  # without [CLS]
        with torch.no_grad(), pytest.warns(FutureWarning):
            loss = model(
                input_ids=encoded.input_ids, attention_mask=encoded.attention_mask, labels=labels
            ).loss
        return -loss.item() * labels.shape[1]

    expected = log_probability("the house") - log_probability("the hause")
    assert correction.edits[0].corrector_change == pytest.approx(expected, rel=1e-4)


def test_the_recogniser_has_a_say(trained_corrector):
    def scorer(text):
        return -1.0 if text == "the pcst came" else -500.0

    taken, left = trained_corrector.correct(["the pcst came"] * 2, [lambda text: -1.0, scorer])
    assert (taken.corrected, taken.edits[0].recogniser_change) == ("the post came", 0.0)
    assert (left.corrected, left.edits[0].recogniser_change) == ("the pcst came", -499.0)
    assert left.edits[0].new == "post" and not left.edits[0].accepted


def test_each_edit_is_taken_or_left_by_itself(trained_corrector, monkeypatch):
    monkeypatch.setattr(trained_corrector, "_proposals", lambda *_: ["the house of london"])
    monkeypatch.setattr(trained_corrector, "gate", GateSettings(weight=0.0, threshold=-10))

    def scorer(text):
        return -900.0 if "the" in text else -1.0

    (correction,) = trained_corrector.correct(["tbe hause of London"], [scorer])
    assert correction.corrected == "tbe house of London"
    assert [edit.accepted for edit in correction.edits] == [False, True]


def test_the_text_before_a_line_is_read_with_it(trained_corrector, monkeypatch):
    monkeypatch.setattr(trained_corrector, "_proposals", lambda *_: ["the post came"] * 2)
    alone, after = trained_corrector.correct(["the pcst came"] * 2, contexts=["", "in London"])
    assert alone.edits[0].new == after.edits[0].new == "post"
    assert alone.edits[0].score != pytest.approx(after.edits[0].score, abs=1e-2)


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_a_blank_line_stays(trained_corrector, text):
    (correction,) = trained_corrector.correct([text])
    assert (correction.corrected, correction.edits) == (text, ())


def test_no_line_gives_no_correction(trained_corrector):
    assert trained_corrector.correct([]) == []


def test_spaces_around_and_between_words_stay(trained_corrector):
    assert trained_corrector("  the  hause ") == "  the  house "


def test_a_line_longer_than_the_model_reads_is_corrected_in_parts(trained_corrector, monkeypatch):
    seen = []

    def proposals(hidden_states, mask):
        seen.append(mask.shape[1])
        return ["the house " * 4] * len(mask)  # as many words as in a part

    monkeypatch.setattr(trained_corrector, "_max_part", 16)
    monkeypatch.setattr(trained_corrector, "_proposals", proposals)
    text = "the house the hcuse " * 100  # 2,000 characters
    whole = []
    (correction,) = trained_corrector.correct([text], [lambda text: whole.append(text) or 0.0])
    assert max(seen) <= POSITIONS
    assert [edit.old for edit in correction.edits] == ["hcuse"] * 100
    assert all(text[edit.start : edit.end] == "hcuse" for edit in correction.edits)
    assert apply_edits(text, correction.edits) == text.replace("hcuse", "house")
    assert min(map(len, whole)) == 2000  # the recogniser is asked about the whole line


def test_a_text_that_has_little_to_do_with_the_line_is_no_correction(
    trained_corrector, monkeypatch
):
    monkeypatch.setattr(trained_corrector, "_proposals", lambda *_: ["the post came"])
    monkeypatch.setattr(trained_corrector, "gate", GateSettings(text_threshold=-math.inf))
    for text in ("the house of London and the letter", "a very long morning"):
        assert trained_corrector.correct([text])[0].edits == ()
    assert trained_corrector("the pcst came") == "the post came"


def test_a_word_longer_than_the_model_reads_stays_with_a_warning(trained_corrector):
    with pytest.warns(UserWarning, match="A word of 400 characters is longer"):
        (correction,) = trained_corrector.correct(["the hause " + "a." * 200])
    assert correction.corrected == "the house " + "a." * 200


@pytest.mark.parametrize("proposed", ["the \ufffd house", "the house", "the post house"])
def test_a_word_that_the_vocabulary_cannot_spell_stays(trained_corrector, monkeypatch, proposed):
    monkeypatch.setattr(trained_corrector, "_proposals", lambda *_: [proposed])
    (correction,) = trained_corrector.correct(["the λό hcuse"])
    assert correction.corrected.startswith("the λό h")
    assert not any("\ufffd" in edit.new or "λό" in edit.old for edit in correction.edits)


def test_a_line_in_another_script_stays(trained_corrector):
    assert trained_corrector("λόγος 猫") == "λόγος 猫"


def test_a_model_that_finds_no_end_changes_nothing(tmp_path):
    corrector = make_corrector(tmp_path)
    corrector.model.decoder.cls.predictions.bias.data[corrector.tokenizer.sep_token_id] = -1e4
    assert corrector("the house") == "the house"


@pytest.mark.parametrize("part", ["_edits", "_proposals", "_scored"])
def test_a_failure_leaves_the_text_and_warns(trained_corrector, monkeypatch, part):
    def fail(*_):
        raise RuntimeError("no memory left")

    monkeypatch.setattr(trained_corrector, part, fail)
    with pytest.warns(UserWarning, match="the hause.*stays as it was recognised: no memory left"):
        (correction,) = trained_corrector.correct(["the hause"])
    assert (correction.corrected, correction.edits) == ("the hause", ())


def test_a_scorer_that_fails_leaves_its_line_and_no_other(trained_corrector):
    def fail(text):
        raise RuntimeError("no image")

    with pytest.warns(UserWarning, match="failed, which stays as it was recognised: no image"):
        corrections = trained_corrector.correct(["the hause", "a hcuse"], [fail, None])
    assert corrected(corrections) == ["the hause", "a house"]


def test_a_line_that_fails_costs_the_others_nothing(trained_corrector, monkeypatch):
    edits = trained_corrector._edits

    def picky(parts):
        if any(part.text == "the hause" for part in parts):
            raise RuntimeError("not this one")
        return edits(parts)

    monkeypatch.setattr(trained_corrector, "_edits", picky)
    with pytest.warns(UserWarning, match="not this one"):
        corrections = trained_corrector.correct(["the hause", "a hcuse"])
    assert corrected(corrections) == ["the hause", "a house"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["the hause"], "list of texts", id="one-text"),
        pytest.param([[None]], "list of texts", id="no-text"),
        pytest.param([["a", "b"], [None]], "2 texts and 1 scorers", id="scorers"),
        pytest.param([["a"], None, []], "1 texts and 0 contexts", id="contexts"),
    ],
)
def test_a_wrong_call_is_an_error(trained_corrector, arguments, message):
    with pytest.raises(ValueError, match=message):
        trained_corrector.correct(*arguments)


def test_saved_and_loaded_it_corrects_the_same(saved, trained_corrector):
    loaded = BertCorrector.from_pretrained(saved)
    assert loaded.correct(RECOGNISED) == trained_corrector.correct(RECOGNISED)


def test_generation_settings_and_gate_are_kept(corrector, tmp_path):
    corrector.model.generation_config.num_beams = 3
    corrector.model.generation_config.length_penalty = 0.5
    corrector.gate = GateSettings(0.35, -1.5, 2.25)
    corrector.save_pretrained(tmp_path / "model" / "corrector")
    loaded = BertCorrector.from_pretrained(tmp_path / "model", subfolder="corrector")
    assert loaded.gate == corrector.gate
    assert loaded.model.generation_config.num_beams == 3
    assert loaded.model.generation_config.length_penalty == 0.5
    assert corrected(loaded.correct(RECOGNISED)) == corrected(corrector.correct(RECOGNISED))


def test_no_pickle_is_written(saved):
    names = {path.name for path in saved.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "gate.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]


def test_float16_weights_are_computed_in_float32_on_a_cpu(corrector, tmp_path):
    corrector.model.half()
    corrector.save_pretrained(tmp_path / "half")
    loaded = BertCorrector.from_pretrained(tmp_path / "half")
    assert loaded.model.dtype == torch.float32
    assert loaded("the hause") == "the house"


def test_without_a_gate_the_defaults_hold(copy):
    (copy / "gate.json").unlink()
    assert BertCorrector.from_pretrained(copy).gate == GateSettings()


def test_pushed_with_its_recogniser_it_loads_from_the_hub(hub, saved, tiny_model_dir, tmp_path):
    folder = shutil.copytree(tiny_model_dir, tmp_path / "model")
    shutil.copytree(saved, folder / "corrector")
    push_model(folder, "user/reader")
    assert has_corrector("user/reader")
    loaded = BertCorrector.from_pretrained("user/reader", subfolder="corrector")
    assert loaded("the hause") == "the house"


def test_a_recogniser_without_a_corrector_has_none(hub, tiny_model_dir):
    push_model(tiny_model_dir, "user/reader")
    assert not has_corrector("user/reader")
    assert not has_corrector(tiny_model_dir)
    assert not has_corrector("no/such/folder")
    with pytest.raises(OSError, match=r"corrector/config\.json"):
        BertCorrector.from_pretrained("user/reader", subfolder="corrector")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        pytest.param("no/such/folder", "There is no folder no/such/folder", id="no-folder"),
        pytest.param("./nothing", r"There is no folder \./nothing", id="no-path"),
    ],
)
def test_a_missing_folder_is_named(place, message):
    with pytest.raises(OSError, match=message):
        BertCorrector.from_pretrained(place)


def test_a_missing_sub_folder_is_named(saved):
    with pytest.raises(OSError, match=r"There is no folder .*corrector/corrector"):
        BertCorrector.from_pretrained(saved, subfolder="corrector")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(OSError, match=rf"holds no complete corrector: {name} is missing"):
        BertCorrector.from_pretrained(copy)


def test_another_kind_of_model_is_named(copy, tmp_path):
    config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
    BertModel(config).save_pretrained(copy)
    with pytest.raises(ValueError, match=r"a model of the type 'bert'.*'encoder-decoder'"):
        BertCorrector.from_pretrained(copy)


def test_weights_that_lack_tensors_are_an_error(copy):
    config = json.loads((copy / "config.json").read_text())
    config["encoder"]["num_hidden_layers"] = 3
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"lack .* tensors, such as encoder"):
        BertCorrector.from_pretrained(copy)


def test_a_damaged_gate_is_an_error(copy):
    (copy / "gate.json").write_text("{")
    with pytest.raises(ValueError, match="holds no settings of a gate"):
        BertCorrector.from_pretrained(copy)


def test_a_tokenizer_with_more_ids_than_the_model_is_an_error(trained_corrector, tmp_path):
    tokenizer = make_tokenizer(tmp_path)
    tokenizer.add_tokens(["more"])
    with pytest.raises(ValueError, match="has 100 ids and the encoder 99"):
        BertCorrector(trained_corrector.model, tokenizer)


def test_a_tokenizer_that_is_not_berts_is_an_error(trained_corrector):
    from hwr_hf import ResNetBiLstmTokenizer

    with pytest.raises(ValueError, match="has no cls_token, sep_token"):
        BertCorrector(trained_corrector.model, ResNetBiLstmTokenizer())
