import json
from pathlib import Path

import pytest

from hwr_hf.ablation import (
    VARIANTS,
    WHOLE_RECIPE,
    ablation_table,
    draw_ablation,
    lowest_rates,
    merged_overrides,
    run_ablation,
)


def write_state(folder, *cers):
    entries = [
        {"step": step, "eval_lines_cer": lines, "eval_words_cer": words}
        for step, (lines, words) in enumerate(cers)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": entries}))


@pytest.fixture
def train():
    """A training that only notes its arguments; seed 1 ends at 10 % CER, seed 2 at 20 %."""

    def train(arguments):
        train.calls.append(arguments)
        options = dict(zip(arguments[::2], arguments[1::2], strict=True))
        cer = 0.1 * int(options["--seed"])
        write_state(Path(options["--output_dir"]), (cer, 0.3), (0.9, 0.2))

    train.calls = []
    return train


def test_rates_are_of_the_step_with_the_lowest_first_rate(tmp_path):
    write_state(tmp_path / "run", (0.5, 0.2), (0.3, 0.4), (0.4, 0.1))
    assert lowest_rates(tmp_path / "run") == {"lines_cer": 0.3, "words_cer": 0.4}


def test_every_variant_is_trained_with_every_seed(train, tmp_path):
    variants = [WHOLE_RECIPE, "no augmentation"]
    report = run_ablation(["--max_steps", "5"], tmp_path, [1, 2], variants, train)
    assert len(train.calls) == 4
    assert train.calls[2][:4] == ["--max_steps", "5", "--augment", "0"]
    whole, without = report["variants"]
    assert whole["lines_cer"] == {"seeds": [0.1, 0.2], "mean": 0.15}
    assert without["name"] == "no augmentation"


def test_what_has_ended_is_not_trained_again(train, tmp_path):
    for _ in range(2):
        report = run_ablation([], tmp_path, [1], [WHOLE_RECIPE], train)
    assert len(train.calls) == 1
    assert report["variants"][0]["words_cer"]["seeds"] == [0.3]


def test_a_variant_of_the_network_keeps_the_other_overrides_of_the_recipe(train, tmp_path):
    overrides = '{"lstm_hidden_size": 8, "ctc_shortcut_weight": 0.3}'
    recipe = ["--config_overrides", overrides, "--bf16", "True"]
    run_ablation(recipe, tmp_path, [1], ["no CTC shortcut"], train)
    (arguments,) = train.calls
    assert arguments[:2] == ["--bf16", "True"] and arguments.count("--config_overrides") == 1
    overrides = json.loads(arguments[arguments.index("--config_overrides") + 1])
    assert overrides == {"lstm_hidden_size": 8, "ctc_shortcut_weight": 0.0}


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(['--config_overrides={"dropout": 0.3}'], id="equals"),
        pytest.param(["--config-overrides", '{"dropout": 0.3}'], id="hyphen"),
    ],
)
def test_overrides_are_merged_however_they_are_written(recipe):
    arguments = ["--deskew", "none", "line", *recipe, "--seed", "-3"]
    merged = merged_overrides([*arguments, "--config_overrides", '{"ctc_shortcut_weight": 0.0}'])
    assert merged[:-1] == ["--deskew", "none", "line", "--seed", "-3", "--config_overrides"]
    assert json.loads(merged[-1]) == {"dropout": 0.3, "ctc_shortcut_weight": 0.0}


def test_what_was_trained_otherwise_is_not_taken(train, tmp_path):
    run_ablation(["--max_steps", "5"], tmp_path, [1], [WHOLE_RECIPE], train)
    with pytest.raises(ValueError, match=r"begun with arguments .*'5'.* and not .*'9'"):
        run_ablation(["--max_steps", "9"], tmp_path, [1], [WHOLE_RECIPE], train)


@pytest.mark.parametrize(("seeds", "variants"), [([], [WHOLE_RECIPE]), ([1], ["no luck"])])
def test_an_unknown_variant_or_no_seed_is_refused(train, tmp_path, seeds, variants):
    with pytest.raises(ValueError, match="at least one seed, and variants of all ingredients"):
        run_ablation([], tmp_path, seeds, variants, train)


def test_table_and_picture_show_every_variant(train, tmp_path):
    report = run_ablation([], tmp_path, [1, 2], [WHOLE_RECIPE, "no CTC shortcut"], train)
    assert ablation_table(report).splitlines()[2:] == [
        "| all ingredients | 15.0% | 30.0% |",
        "| no CTC shortcut | 15.0% | 30.0% |",
    ]
    draw_ablation(report, tmp_path / "ablation.png")
    assert (tmp_path / "ablation.png").read_bytes().startswith(b"\x89PNG")


def test_every_variant_is_a_training_that_can_be_started():
    from transformers import HfArgumentParser

    from hwr_hf.training import RecognitionTrainingArguments
    from hwr_hf.training_data import DataArguments
    from hwr_hf.training_model import ModelArguments, make_model

    parser = HfArgumentParser((DataArguments, ModelArguments, RecognitionTrainingArguments))
    for arguments in VARIANTS.values():
        _, model_arguments, _ = parser.parse_args_into_dataclasses(
            ["--iam", "iam", "--use_cpu", "--report_to", "none", *arguments]
        )
        model, _ = make_model(model_arguments)
        expected = 8 if "stage_strides" in str(arguments) else 4
        assert model.config.column_stride == expected
