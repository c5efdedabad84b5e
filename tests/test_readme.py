"""What the README shows is what happens."""

import contextlib
import io
import json
import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import datasets
import matplotlib
import pytest
from bert_miniature import make_corrector
from drawing import draw_text_line
from huggingface_hub import constants
from tiny_bert import save_tiny_bert

import hwr_hf
from hwr_hf.cli import main
from hwr_hf.model_card import card_values, fill_section
from hwr_hf.transcription import ray_engine
from hwr_hf.transcription.job import Counts
from hwr_hf.transcription.ray_engine import RayOptions

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SHORT_RUN = "--use_cpu --max_steps 2 --eval_steps 2 --save_steps 2 --on_too_long skip".split()
TINY_RUN = ["--config_overrides", '{"hidden_sizes": [8, 8, 8], "depths": [1, 1, 1]}', *SHORT_RUN]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.M | re.S)


def commands():
    lines = "".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("hwr-hf ")]


@pytest.fixture
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_the_first_example_prints_what_the_readme_says(in_root):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(blocks("python")[0], "README.md", "exec"), {})
    assert printed.getvalue() == blocks("text")[0]


def test_the_example_of_the_beam_search_runs(in_root):
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(blocks("python")[0] + blocks("python")[1], names)
    assert names["best"]["generated_text"] == "The letter came by the morning post."
    assert len(names["others"]) == 2


def test_both_make_commands_are_targets():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)", blocks("bash")[0], flags=re.M)
    assert targets == ["read", "test"]
    assert all(re.search(rf"^{target}:", makefile, flags=re.M) for target in targets)


def test_make_demo_serves_the_app_without_statistics():
    makefile = (ROOT / "Makefile").read_text()
    assert any(block.startswith("make demo ") for block in blocks("bash"))
    recipe = re.search(r"^demo: \$\(VENV\)/installed-app\n\t@(.*)$", makefile, flags=re.M).group(1)
    assert recipe == "GRADIO_ANALYTICS_ENABLED=False $(BIN)/python space/app.py"
    assert (ROOT / "space" / "app.py").is_file()


def test_reading_commands_run(in_root, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))  # where --backend onnx keeps its graph
    for command in commands():
        if command[1] == "read" and not {"--correct", "--corrector"} & set(command):
            arguments = [
                word for word in command[2:] if word not in (">", "texts.tsv", "out.jsonl")
            ]
            arguments = ["samples/" if word == "scans/" else word for word in arguments]
            assert main(["read", *arguments]) == 0
    assert "The letter came by the morning post." in capsys.readouterr().out


def test_reading_with_a_corrector_runs(in_root, tmp_path, capsys):
    shutil.copytree(hwr_hf.DEFAULT_MODEL, tmp_path / "model")
    corrector = tmp_path / "model" / "corrector"
    make_corrector(tmp_path).save_pretrained(corrector)
    (code,) = [block for block in blocks("python") if "corrector=" in block]
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(blocks("python")[0] + code.replace("path/or/id", str(corrector)), names)
    assert "recognised_text" in names["read"]("samples/line.png")[0]
    places = {"scans/": "samples/", "line.png": "samples/line.png", "path/or/id": str(corrector)}
    with_corrector = [c for c in commands() if {"--correct", "--corrector"} & set(c)]
    assert len(with_corrector) == 2
    for command in with_corrector:
        arguments = [places.get(word, word) for word in command[1:]]
        assert main([*arguments, "--model", str(tmp_path / "model")]) == 0
    assert capsys.readouterr().out


def test_the_exporting_command_writes_a_folder_that_reads(tmp_path, in_root, capsys):
    (command,) = [command for command in commands() if command[1] == "export"]
    folder = str(tmp_path / "onnx")
    assert main([folder if word == "runs/onnx" else word for word in command[1:]]) == 0
    assert main(["read", "--model", folder, "--backend", "onnx", "samples/line.png"]) == 0
    assert "The letter came by the morning post." in capsys.readouterr().out


def test_transcribing_commands_run(in_root, tmp_path, monkeypatch):
    on_cluster = []

    def transcribe_with_ray(source, parts, settings, options, **others):
        on_cluster.append(options)
        return Counts()

    monkeypatch.setattr(ray_engine, "transcribe_with_ray", transcribe_with_ray)
    (tmp_path / "scans").mkdir()
    draw_text_line("rain", font_size=48).save(tmp_path / "scans" / "1.png")
    places = {
        "scans/": str(tmp_path / "scans"),
        "texts": str(tmp_path / "texts"),
        "table": str(tmp_path / "table"),
    }
    transcribing = [command for command in commands() if command[1] == "transcribe"]
    for command in transcribing:
        assert main([places.get(word, word) for word in command[1:]]) == 0
    assert json.loads((tmp_path / "texts" / "part-000000.jsonl").read_text())["text"] == "rain"
    assert (tmp_path / "table" / "part-000000.parquet").is_file()
    assert on_cluster == [RayOptions(num_gpus_per_worker=1, address="auto")]


def test_the_memory_of_a_transcription_is_that_measured():
    rows = json.loads((ROOT / "results" / "transcribe_memory.json").read_text())["rows"]
    stated = re.findall(r"(\d+) MB at most for ([\d,]+)", " ".join(README.split()))
    assert [(int(size), int(images.replace(",", ""))) for size, images in stated] == [
        (row["peak_megabytes"], row["images"]) for row in rows
    ]


def test_the_memory_of_a_training_step_is_that_measured():
    rows = json.loads((ROOT / "results" / "training_memory.json").read_text())["rows"]
    peaks = {
        precision: [
            f"{row['peak_gib']:.1f}"
            for row in rows
            if (row["batch_columns"], row["precision"], row["checkpointing"])
            == (10240, precision, False)
        ]
        for precision in ("float32", "bfloat16")
    }
    small, medium, base = peaks["float32"]
    text = " ".join(README.split())
    assert f"take {small} GiB with the preset `small`, {medium} with `medium`, {base} with" in text
    assert f"and {', '.join(peaks['bfloat16'])} with `--bf16`" in text


def test_help_teaches(capsys):
    assert ["hwr-hf", "--help"] in commands()
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "examples:" in capsys.readouterr().out


def test_the_deskew_picture_is_drawn(in_root, tmp_path, monkeypatch):
    script = re.search(r"`python (scripts/show_deskew.py) words", README).group(1)
    output = tmp_path / "deskew.png"
    monkeypatch.setattr(sys, "argv", [script, "samples/word.png", "--output", str(output)])
    runpy.run_path(script, run_name="__main__")
    assert output.read_bytes().startswith(b"\x89PNG")


def test_training_and_evaluating_commands_run(make_iam, tmp_path, monkeypatch, in_root):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    places = {
        "path/to/iam": str(make_iam()),
        "runs/mine": str(tmp_path / "mine"),
        "results/mine.json": str(tmp_path / "mine.json"),
    }
    for name in ("train", "evaluate"):
        command = next(command for command in commands() if command[1] == name)
        arguments = [places.get(word, word) for word in command[1:] if word != "--bf16"]
        extra = TINY_RUN if name == "train" else ["--worst-lines", str(tmp_path / "worst.html")]
        assert main([*arguments, *extra]) == 0
    assert json.loads((tmp_path / "mine.json").read_text())["lines"] == 1


def test_training_on_drawn_lines_runs(make_iam, tmp_path, monkeypatch, in_root):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    letters = [[x, 0, 0, 20, 10, 0, 0, -20] for x in (0, 16, 70, 86)]
    row = {"id": "z01-001-01", "form": "z01-001", "text": "on it", "strokes": letters}
    (tmp_path / "strokes.jsonl").write_text(json.dumps(row))
    (tmp_path / "text.txt").write_text("It was a quiet house, and so they sat on it.\n")
    (tmp_path / "fonts").mkdir()
    font = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    (tmp_path / "fonts" / font.name).write_bytes(font.read_bytes())
    places = {
        "path/to/iam": str(make_iam()),
        "runs/more": str(tmp_path / "more"),
        "path/to/iam-ondb": str(tmp_path),
        "fonts": str(tmp_path / "fonts"),
        "text.txt": str(tmp_path / "text.txt"),
        "24000": "6",
        "10000": "4",
    }
    (command,) = [command for command in commands() if "runs/more" in command]
    assert main([places.get(word, word) for word in command[1:]] + TINY_RUN) == 0
    assert (tmp_path / "more" / "model.safetensors").is_file()


def test_ones_own_handwriting_is_packed_trained_on_and_evaluated(tmp_path, monkeypatch, in_root):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "scans").mkdir()
    for number in range(10):
        draw_text_line(f"line {number}").save(tmp_path / "scans" / f"{number}.png")
        (tmp_path / "scans" / f"{number}.txt").write_text(f"line {number}")
    places = {
        "scans/": str(tmp_path / "scans"),
        "mine": str(tmp_path / "mine"),
        "runs/own": str(tmp_path / "own"),
        "runs/own/test.json": str(tmp_path / "own" / "test.json"),
    }
    own = [command for command in commands() if "mine" in command]
    assert [command[1] for command in own] == ["dataset", "train", "evaluate"]
    extras = {
        "dataset": [],
        "train": SHORT_RUN,
        "evaluate": ["--worst-lines", str(tmp_path / "worst.html")],
    }
    for command in own:
        arguments = [places.get(word, word) for word in command[1:]]
        assert main([*arguments, *extras[command[1]]]) == 0
    assert json.loads((tmp_path / "own" / "test.json").read_text())["lines"] == 1


def test_the_study_of_the_paper_can_be_started(make_iam, tmp_path, monkeypatch, in_root):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    command = re.search(r"^python (scripts/reproduce_ma2023\.py .*)$", README, flags=re.M).group(1)
    script, *arguments = shlex.split(command, comments=True)
    arguments = [str(make_iam()) if word == "path/to/iam" else word for word in arguments]
    # --measure loads the words and times every network, and trains nothing
    arguments += ["--measure", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(script, run_name="__main__")
    assert stop.value.code == 0
    assert json.loads((tmp_path / "cost_cpu.json").read_text())["hours"] >= 0


def test_a_corrector_is_made_by_three_scripts(make_iam, tmp_path, monkeypatch, in_root):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "text.txt").write_text("It was a quiet house, and so they sat on it.\n")
    iam = make_iam()
    places = {
        "path/to/iam": str(iam),
        "bert-base-uncased": str(save_tiny_bert(tmp_path / "bert", ["house"])),
        "brown.txt.xz": str(tmp_path / "text.txt"),
        "runs/corrector": str(tmp_path / "corrector"),
    }
    steps = ["--use_cpu", "--max_steps", "2", "--eval_steps", "2", "--save_steps", "2"]
    extras = {
        "jackknife": [*TINY_RUN, "--output_dir", str(tmp_path / "jackknife")],
        "train_corrector": [*steps, "--output_dir", str(tmp_path / "corrector")],
        "fit_gate": ["--work_dir", str(tmp_path / "gate"), "--output", str(tmp_path / "gate.json")],
    }
    (block,) = [block for block in blocks("bash") if "jackknife.py" in block]
    for line in block.replace("\\\n", " ").splitlines():
        _, script, *arguments = shlex.split(line, comments=True)
        arguments = [
            places.get(word, word.replace("runs/jackknife", str(tmp_path / "jackknife")))
            for word in arguments
        ]
        monkeypatch.setattr(sys, "argv", [script, *arguments, *extras[Path(script).stem]])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(script, run_name="__main__")
        assert stop.value.code == 0
    (entry,) = json.loads((tmp_path / "gate.json").read_text())["models"]
    assert entry["lines"] == 1 and entry["corrected_cer"] <= entry["cer"]
    assert (tmp_path / "corrector" / "gate.json").is_file()


def test_loading_iam_runs(make_iam, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    names = {}
    (code,) = [block for block in blocks("python") if "load_iam" in block]
    exec(code.replace("path/to/iam", str(make_iam())), names)
    assert set(names["lines"]) == {"train", "validation", "test"}


def test_pushing_commands_run_and_what_was_pushed_reads(
    hub, tiny_model_dir, tmp_path, in_root, capsys
):
    report = {"dataset": "drawn", "subset": "test", "unit": "lines", "lines": 1, "cer": 0, "wer": 0}
    (tmp_path / "mine.json").write_text(json.dumps(report))
    places = {"runs/mine": str(tiny_model_dir), "results/mine.json": str(tmp_path / "mine.json")}
    dry_run, push = [command for command in commands() if command[1] == "push"]
    assert main([places.get(word, word) for word in dry_run[1:]]) == 0
    assert "kB  model.safetensors" in capsys.readouterr().out
    assert hub.requests == []
    assert main([places.get(word, word) for word in push[1:]]) == 0
    assert hub.repository("user/name").private
    (code,) = [block for block in blocks("python") if "user/name" in block]
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.count("\n") == 2


def test_the_first_paragraph_tells_the_measured_error():
    report = json.loads((ROOT / "results" / "test_lines_beam.json").read_text())
    stated = f"Of {report['lines']} test lines of the IAM subset ([Results](#results)) it misreads "
    stated += f"{100 * report['cer']:.1f} % of the characters with beam search."
    assert stated in " ".join(README.split())


def test_results_and_command_are_those_under_results():
    values = card_values(ROOT / "results", hwr_hf.DEFAULT_MODEL)
    filled = fill_section(README, "results", values["results_table"])
    filled = fill_section(filled, "command", f"```bash\n{values['command']}\n```")
    assert filled == README


def test_the_word_errors_behind_the_gate_are_those_measured():
    models = json.loads((ROOT / "results" / "gate.json").read_text())["models"]
    text = " ".join(README.split())
    for model in models:
        assert f"from {100 * model['wer']:.1f} to {100 * model['corrected_wer']:.1f} %" in text
        assert model["corrected_cer"] <= model["cer"]


def test_the_word_errors_with_bert_are_those_measured():
    results = json.loads((ROOT / "results" / "bert_hypothesis" / "results.json").read_text())
    text = " ".join(README.split())
    none, bert, ngram = (
        [f"{100 * regime['arms'][arm]['wer']:.1f}" for regime in results["regimes"].values()]
        for arm in ("none", "BERT, gated", "character n-gram")
    )
    assert f"({results['data']['test_lines']} test lines)" in text
    assert f"from {none[0]} to {bert[0]} % and from {none[1]} to {bert[1]} %" in text
    assert f"to {ngram[0]} and {ngram[1]} %" in text


def test_the_ablation_is_that_measured():
    variants = json.loads((ROOT / "results" / "ablation.json").read_text())["variants"]
    cer = {variant["name"]: f"{100 * variant['lines_cer']['mean']:.1f}" for variant in variants}
    text = " ".join(README.split())
    assert f"({cer['all ingredients']} % with all ingredients" in text
    lacking = [cer[f"no {name}"] for name in ("CTC shortcut", "joined words", "drawn lines")]
    assert "{}, {} and {} % without them".format(*lacking) in text
    assert f"lower ({cer['no augmentation']} %)" in text
    assert f"constant rate ({cer['no decay of the rate']} %)" in text


def test_the_comparison_of_views_is_that_measured():
    report = json.loads((ROOT / "results" / "consistency.json").read_text())
    without, with_views = report["trainings"]
    assert (without["settings"], with_views["settings"]) == (
        {"consistency": 0.0},
        {"consistency": 0.2},
    )
    lines, words = (f"{report['validation'][unit]:,}" for unit in ("lines", "words"))
    text = " ".join(README.split())
    assert f"{with_views['step']} steps, one seed" in text
    assert f"the {report['dataset']} ({lines} and {words})" in text
    cers = [
        f"{100 * row[f'{unit}_cer']:.1f}"
        for row in (with_views, without)
        for unit in ("lines", "words")
    ]
    assert "{} / {} % CER with it and {} / {} % without".format(*cers) in text


def test_the_speeds_are_those_measured():
    report = json.loads((ROOT / "results" / "speed.json").read_text())
    assert f"{report['lines']} validation lines" in README
    for name, reader in report["readers"].items():
        (row,) = re.findall(rf"^\| {re.escape(name)} \| (.*) \| (.*) \| (.*) \|$", README, re.M)
        cer = f"{100 * reader['cer']:.2f} %" if "cer" in reader else "random weights"
        memory = reader.get("peak_memory_bytes")
        memory = f"{memory / 1e9:.2f} GB" if memory else "not measured"
        assert row == (f"{reader['lines_per_second']:.1f}", cer, memory)


def test_the_mapped_memory_is_that_measured():
    readers = json.loads((ROOT / "results" / "speed.json").read_text())["readers"]
    mapped = {
        f"{reader['mapped_files_bytes'] / 1e9:.1f}"
        for name, reader in readers.items()
        if name.startswith("ours")
    }
    (stated,) = mapped
    assert f"Of the memory of ours {stated} GB are pages" in " ".join(README.split())


def test_the_ratios_of_speeds_are_those_measured():
    here, faster = (
        json.loads((ROOT / "results" / name).read_text())
        for name in ("speed.json", "speed_faster_processor.json")
    )
    text = " ".join(README.split())

    def times(report, dtype):
        return f"{report['ratios'][f'ours / TrOCR-small, {dtype}']:.0f}"

    ours = [faster["readers"][name]["lines_per_second"] for name in ("ours", "ours, bfloat16")]
    assert f"In float32 it reads {times(here, 'float32')} times" in text
    assert f"in bfloat16 {times(here, 'bfloat16')} times" in text
    assert "{:.1f} lines a second in float32 and {:.1f} in bfloat16".format(*ours) in text
    assert f"{times(faster, 'float32')} and {times(faster, 'bfloat16')} times as many" in text
    ceilings = [report["ceiling_flops"]["bfloat16"] for report in (faster, here)]
    assert f"{ceilings[0] / ceilings[1]:.1f} times as fast" in text
    hours = [
        1e6 / here["readers"][name]["lines_per_second"] / 3600
        for name in ("ours", "ours, bfloat16")
    ]
    assert "take {:.1f} hours on these two cores, {:.1f} in bfloat16".format(*hours) in text


def test_the_error_rates_of_photos_are_those_measured():
    report = json.loads((ROOT / "results" / "lighting.json").read_text())
    even, *uneven = report["rows"]
    corrected = [row["cer"] for row in uneven]
    uncorrected = [row["cer_uncorrected"] for row in uneven]
    text = " ".join(README.split())
    assert f"the CER is {even['cer']:.1%} in even light".replace("%", " %") in text
    stated = f"{100 * min(corrected):.1f} to {100 * max(corrected):.1f} % in uneven light"
    assert stated in text
    without = f"`do_correct_tones=False`) {100 * min(uncorrected):.0f} to"
    assert f"{without} {100 * max(uncorrected):.0f} %" in text
    assert report["subset"] == "validation, 100 lines"


def test_what_columns_per_stroke_bring_is_as_measured():
    folder = ROOT / "results" / "scales"
    rows = json.loads((folder / "validation.json").read_text())["rows"]
    measured = {row["columns_per_stroke"]: row for row in rows if row["height"] == 48}
    measured[None] = rows[0]
    assert (rows[0]["width_scale"], rows[0]["columns_per_stroke"]) == (1, None)
    lines = {columns: row["lines"] for columns, row in measured.items()}
    processor = json.loads(Path(hwr_hf.DEFAULT_MODEL, "processor_config.json").read_text())
    assert processor["image_processor"]["columns_per_stroke"] == 12
    no_worse = {
        columns
        for columns, row in measured.items()
        if all(row[kind]["cer"] <= measured[None][kind]["cer"] for kind in ("lines", "pen lines"))
    }
    assert min(no_worse - {None}) == 12
    of = {
        name: json.loads((ROOT / "results" / f"{name}.json").read_text())
        for name in (
            *(f"scales/test_lines_{columns}_columns" for columns in ("12", "11", "any")),
            *("scales/trained_12_columns_lines", "scales/trained_12_columns_words"),
            "validation_words",
        )
    }
    settings = {name: report["image_processor"] for name, report in of.items()}
    for name, report in settings.items():
        columns = {"11": 11, "any": None}.get(name.removesuffix("_columns").rpartition("_")[2], 12)
        assert report.get("columns_per_stroke") == columns, name

    def rates(measured):
        return f"{100 * measured['cer']:.1f} / {100 * measured['wer']:.1f} %"

    def fewer(columns):
        return f"{1 - lines[columns]['macs'] / lines[None]['macs']:.0%} fewer".replace("%", " %")

    text = " ".join(README.split())
    assert f"at {rates(lines[12])} CER / WER with {fewer(12)} multiplications" in text
    assert f"(without it {rates(lines[None])})" in text
    assert f"with 11 at {rates(lines[11])} with {fewer(11)}" in text
    of_test = [rates(of[f"scales/test_lines_{name}_columns"]) for name in ("12", "11", "any")]
    assert "the rates were {} with 12, {} with 11 and {} without it".format(*of_test) in text
    trained = f"lines at {rates(of['scales/trained_12_columns_lines'])}, words (`ok`) at "
    trained += rates(of["scales/trained_12_columns_words"])
    embedded = rates(of["validation_words"])
    assert f"{trained}, where the embedded model reads words at {embedded}" in text


def test_the_speed_of_the_demo_is_that_measured():
    measured = json.loads((ROOT / "results" / "app_speed.json").read_text())["seconds"]
    stated = re.search(r"first answer takes ([\d.]+) seconds and later ones ([\d.]+)", README)
    first, later = map(float, stated.groups())
    assert first == round(measured["first_answer"], 1)
    slower = max(measured[f"later_answers_{name}"]["median"] for name in ("beam", "greedy"))
    assert later == round(slower, 1)


def test_every_file_the_readme_names_is_there():
    for path in re.findall(r"\b(?:samples|scripts|results|notebooks)/[\w/.]+\.\w+", README):
        assert path == "results/mine.json" or (ROOT / path).is_file(), path
