"""The whole study, on a miniature of everything: from IAM to a page with verdicts."""

import json
import shutil

import pytest
from bert_miniature import WORDS, make_tokenizer
from transformers import BertConfig, BertForMaskedLM

from hwr_hf.bert_hypothesis import plan
from hwr_hf.bert_hypothesis.study import main
from hwr_hf.correction.noise import ConfusionModel


@pytest.fixture(scope="module")
def masked_lm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masked-lm")
    tokenizer = make_tokenizer(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def iam(make_iam):
    """With lines of two writers to fit on and to test, as an interval by writer needs."""
    folder = make_iam()
    (folder / "splits" / "aachen" / "tr.lst").write_text("a01-000u-00\na01-000u-01\n")
    (folder / "splits" / "aachen" / "te.lst").write_text("c04-110-00\nc04-156-00\n")
    (folder / "splits" / "aachen" / "va.lst").write_text("c04-110-01\na01-003-00\n")
    return folder


@pytest.fixture
def study(iam, tiny_model_dir, trained_corrector, masked_lm, tmp_path):
    """Function that runs the study and returns the exit code."""
    correctors = []
    for name in ("bert-0", "bert-1", "random-0", "random-1"):
        trained_corrector.save_pretrained(tmp_path / name)
        state = {"global_step": 250, "train_batch_size": 20, "best_metric": 0.5}
        (tmp_path / name / "trainer_state.json").write_text(json.dumps(state))
        correctors.append(tmp_path / name)
    text = tmp_path / "text.txt"
    text.write_text(
        "\n".join(f"the {first} and the {second}." for first in WORDS for second in WORDS)
    )
    ConfusionModel({"e": {"c": 0.2}}, {}, cer=0.1).save(tmp_path / "confusions.json")

    def run(**changes):
        options = {
            "iam": [iam],
            "name": ["IAM miniature"],
            "strong": [tiny_model_dir],
            "weak": [tiny_model_dir],
            "confusions": [tmp_path / "confusions.json"],
            "text": [text],
            "bert": correctors[:2],
            "random": correctors[2:],
            "masked_lm": [masked_lm],
            "jobs": [1],
            "work_dir": [tmp_path / "work"],
            "output": [tmp_path / "output"],
            **changes,
        }
        return main([str(a) for name, given in options.items() for a in (f"--{name}", *given)])

    return run


def test_one_command_leaves_numbers_page_and_figure(study, masked_lm, tmp_path, capsys):
    assert study() == 0
    results = json.loads((tmp_path / "output" / "results.json").read_text())
    assert list(results["regimes"]) == [plan.LOW_NOISE, plan.HIGH_NOISE]
    for regime in results["regimes"].values():
        assert list(regime["arms"]) == [arm.name for arm in plan.ARMS]
        assert len(regime["arms"][plan.BERT.name]["seeds"]) == 2
        assert len(regime["validation_arms"][plan.NONE.name]["seeds"]) == 1
        assert (
            regime["arms"][plan.ORACLE_NBEST.name]["wer"] <= regime["arms"][plan.BEAM.name]["wer"]
        )
    assert results["data"]["test_lines"] == 2 and results["data"]["test_writers"] == 2
    assert len(results["comparisons"]) == 2 * len(plan.COMPARISONS)
    # The same correctors on both sides: no difference, and so no help.
    assert [verdict["bert_helps"] for verdict in results["verdicts"]] == [False, False]
    page = (tmp_path / "output" / "README.md").read_text()
    assert "IAM miniature" in page and "word_errors.png" in page
    assert (tmp_path / "output" / "word_errors.png").stat().st_size > 10_000
    assert capsys.readouterr().out.count("BERT helps: False") == 2

    # The texts of other models are not taken for those of these.
    assert study(bert=[masked_lm, masked_lm]) == 2
    assert "was begun with" in capsys.readouterr().err

    # No line of IAM is in what is published.
    assert "Rain again" not in page + json.dumps(results)

    # Nothing is computed again.
    arms = sorted(path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.json"))
    assert study() == 0
    assert arms == sorted(path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.json"))


def test_correctors_without_their_counterparts_are_refused(study, tmp_path, capsys):
    assert study(random=[tmp_path / "random-0"]) == 2
    assert "2 correctors begun from BERT and 1 begun from random weights" in capsys.readouterr().err


def test_a_missing_text_is_named(study, tmp_path, capsys):
    assert study(text=[tmp_path / "none.txt"]) == 2
    assert "There is no text file" in capsys.readouterr().err


def test_a_folder_that_is_no_masked_lm_is_named(study, tmp_path, capsys):
    shutil.copytree(tmp_path / "bert-0", tmp_path / "other")
    assert study(masked_lm=[tmp_path / "other"]) == 2
    assert "other" in capsys.readouterr().err
