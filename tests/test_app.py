import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from drawing import draw_text_line
from PIL import Image

from hwr_hf import app as app_module
from hwr_hf.app import MAX_QUEUE, _Answers, build_app, delete_upload, launch_app
from hwr_hf.app_reading import LineReader

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def reader():
    return LineReader()


@pytest.fixture
def quick_app(monkeypatch, reader):
    """Function that builds the page around a reader that is loaded already."""

    def build(corrector=None, **options):
        monkeypatch.setattr(app_module, "LineReader", lambda model, corrector: reader)
        return build_app(corrector=corrector, **options)

    return build


@pytest.fixture
def upload(tmp_path):
    """Function that writes a picture as gradio keeps an upload."""

    def write(content, name="line.png"):
        path = tmp_path / "0123" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return {"path": str(path), "url": None}

    return write


@pytest.fixture
def png(tmp_path):
    draw_text_line("the morning post", font_size=48, margin=20).save(tmp_path / "drawn.png")
    return (tmp_path / "drawn.png").read_bytes()


def labels(app, kind):
    return [
        block.label for block in app.blocks.values() if isinstance(block, kind) and block.visible
    ]


def test_the_switch_for_the_correction_is_there_only_with_a_corrector(quick_app):
    assert labels(quick_app(), gr.Checkbox) == []
    assert labels(quick_app(corrector=str.upper), gr.Checkbox) == ["Correct the text"]


def test_a_model_without_an_ngram_is_served_and_no_language_model_is_claimed(
    quick_app, tiny_model_dir
):
    def choices(app):
        (decoder,) = [block for block in app.blocks.values() if isinstance(block, gr.Radio)]
        return decoder.choices

    greedy = ("Greedy, the network alone", "greedy")
    without = build_app(str(tiny_model_dir))
    assert choices(without) == [("Beam search, without a language model", "beam"), greedy]
    assert choices(quick_app()) == [("Beam search, with a language model", "beam"), greedy]


def test_the_corrector_beside_the_model_is_taken_and_another_if_asked(
    model_with_corrector, tiny_model_dir
):
    beside = app_module._corrector(str(model_with_corrector), None)
    other = app_module._corrector(str(tiny_model_dir), str(model_with_corrector / "corrector"))
    assert beside("the hause") == other("the hause") == "the house"
    assert app_module._corrector(str(tiny_model_dir), None) is None


def test_a_missing_corrector_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit, match=r"^hwr_hf\.app: There is no folder \./nowhere"):
        app_module.main(["--corrector", "./nowhere", "--no-browser"])


def cut_weights(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def break_config(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_lstm_layers": "many"}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(cut_weights, r"The model's weights are damaged \(.*\)\. Get", id="weights"),
        pytest.param(break_config, "num_lstm_layers", id="config"),
        pytest.param(shutil.rmtree, "There is no model folder .*model", id="no-folder"),
    ],
)
def test_a_damaged_model_is_said_in_one_line(
    tiny_model_dir, tmp_path, monkeypatch, damage, message
):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))  # main sets it
    damage(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    with pytest.raises(SystemExit) as stop:
        app_module.main(["--model", str(tmp_path / "model"), "--no-browser"])
    assert re.fullmatch(f"hwr_hf.app: .*{message}.*", stop.value.code)


def test_without_examples_the_page_offers_none(quick_app):
    buttons = [b.value for b in quick_app().blocks.values() if isinstance(b, gr.Button)]
    assert buttons == ["Read"]


def test_examples_are_buttons_with_their_names(quick_app):
    app = quick_app(examples=[ROOT / "samples" / "word.png"])
    buttons = [b.value for b in app.blocks.values() if isinstance(b, gr.Button)]
    assert buttons == ["Read", "word"]


def test_the_queue_is_limited_and_one_line_is_read_at_a_time(quick_app):
    app = quick_app()
    assert app._queue.max_size == MAX_QUEUE
    reading = [fn for fn in app.fns.values() if fn.queue and fn.fn]
    assert {fn.concurrency_id for fn in reading} == {"reader"}
    assert {fn.concurrency_limit for fn in reading} == {1}


def test_nothing_is_counted_and_old_files_are_deleted(quick_app):
    app = quick_app()
    assert app.analytics_enabled is False
    every, age = app.delete_cache
    assert every <= 60 and age <= 600


def test_an_upload_is_gone_after_its_answer(reader, upload, png):
    given = upload(png)
    shown, grey, _, text, *_ = _Answers(reader, []).to_upload(given, "greedy", False)
    assert text == reader.read(grey, "greedy").text != ""
    assert shown == gr.skip()
    assert not Path(given["path"]).parent.exists()


def test_an_upload_that_cannot_be_read_is_gone_too_and_the_input_is_empty_again(reader, upload):
    given = upload(b"no picture")
    shown, grey, message, *rest = _Answers(reader, []).to_upload(given, "beam", False)
    assert (shown, grey, rest) == (None, None, ["", "", ""])
    assert "not a picture" in message
    assert not Path(given["path"]).parent.exists()


def test_a_copy_of_an_example_stays_for_the_page_shows_it(reader, upload, png, tmp_path):
    given = upload(png)
    delete_upload(given["path"], keep=[str(tmp_path / "drawn.png")])
    assert Path(given["path"]).is_file()


def test_a_failure_of_ours_is_an_apology_without_a_trace(reader, monkeypatch, caplog):
    answers = _Answers(reader, [])

    def fail(*_):
        raise RuntimeError("secret of the machine")

    monkeypatch.setattr(reader, "read", fail)
    message, *rest = answers.read(lambda: np.zeros((5, 5), dtype=np.uint8), "beam", False)
    assert "Something went wrong on our side" in message
    assert "secret" not in message and rest == ["", "", ""]
    assert "secret of the machine" in caplog.text  # the one who serves it can find it


def test_a_setting_changed_before_anything_was_given_changes_nothing(reader):
    answers = _Answers(reader, [])
    for source in ("picture", "drawing"):
        assert answers.to_setting(source, None, "", "greedy", False) == (gr.skip(),) * 4


def test_a_setting_changed_reads_the_picture_again_though_nothing_is_drawn(reader):
    grey = np.asarray(draw_text_line("the post", font_size=48))
    _, text, *_ = _Answers(reader, []).to_setting("picture", grey, "", "greedy", False)
    assert text == reader.read(grey, "greedy").text


def test_the_button_without_a_picture_asks_for_one(reader):
    message, *_ = _Answers(reader, []).to_button("picture", None, "", "beam", False)
    assert "There is no picture yet" in message


@pytest.fixture
def address(quick_app, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # launching sets it
    app = quick_app()
    yield launch_app(app)
    app.close()


def test_the_page_loads_nothing_from_elsewhere(address):
    config = httpx.get(f"{address}config").json()
    assert config["analytics_enabled"] is False and config["run_history"] is False
    assert not [sheet for sheet in config["stylesheets"] if sheet.startswith("http")]
    css = httpx.get(f"{address}theme.css").text
    assert not re.findall(r"@import|url\(['\"]?(?:https?:)?//", css)


def test_a_file_over_the_limit_is_not_taken(address):
    file = {"files": ("line.png", bytes(20 * 2**20 + 1))}
    response = httpx.post(f"{address}gradio_api/upload", files=file, timeout=60)
    assert response.status_code == 413


def test_a_file_of_the_server_is_neither_read_nor_deleted(address, tmp_path):
    private = tmp_path / "private.png"
    draw_text_line("private").save(private)
    config = httpx.get(f"{address}config").json()
    (event,) = [d for d in config["dependencies"] if d["targets"][0][1] == "input" and d["inputs"]][
        :1
    ]
    picture = {"path": str(private), "meta": {"_type": "gradio.FileData"}}
    request = {"data": [picture, "beam", False], "fn_index": event["id"], "session_hash": "s1"}
    assert httpx.post(f"{address}gradio_api/queue/join", json=request).status_code == 200
    url = f"{address}gradio_api/queue/data?session_hash=s1"
    with httpx.stream("GET", url, timeout=60) as answer:
        lines = []
        for line in answer.iter_lines():
            lines.append(line)
            if "process_completed" in line:
                break
    assert '"success":false' in lines[-1].replace(" ", "")
    assert "private" not in lines[-1].replace("private.png", "")
    assert private.is_file()


def test_the_server_stops_at_once_and_leaves_no_file(tmp_path):
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, ROOT / "space" / "app.py", "--no-browser"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as server:
        line = server.stdout.readline()
        assert line.startswith("Reading handwriting at http://127.0.0.1:")
        address = line.split()[3]
        picture = {"files": ("unread.png", b"never read")}
        assert httpx.post(f"{address}gradio_api/upload", files=picture).status_code == 200
        (folder,) = tmp_path.glob("hwr_hf_*")
        assert list(folder.rglob("unread.png"))
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0
    assert not list(tmp_path.glob("hwr_hf_*"))


def test_a_taken_port_is_said_in_one_line(address, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    port = address.rstrip("/").rsplit(":", 1)[1]
    with pytest.raises(SystemExit, match=r"^hwr_hf\.app: .*port"):
        app_module.main(["--port", port, "--no-browser"])


@pytest.mark.parametrize("port", ["99999", "-5", "0"])
def test_a_number_that_is_no_port_is_refused_at_once(monkeypatch, capsys, port):
    monkeypatch.setattr(app_module, "build_app", lambda *_, **__: pytest.fail("a model is loaded"))
    with pytest.raises(SystemExit):
        app_module.main([f"--port={port}", "--no-browser"])
    assert f"{port} is no port, use 1 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("192.0.2.1", id="of-another-machine"),  # reserved for documents
        pytest.param("a..b", id="no-name"),
    ],
)
def test_a_host_that_is_not_this_machine_is_refused_at_once(monkeypatch, host):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(app_module, "build_app", lambda *_, **__: pytest.fail("a model is loaded"))
    with pytest.raises(SystemExit, match=rf"^hwr_hf\.app: --host {host!r} is no address of this"):
        app_module.main(["--host", host, "--no-browser"])


@pytest.mark.parametrize("host", [None, "127.0.0.1", "0.0.0.0", "localhost"])
def test_an_address_of_this_machine_is_taken(host):
    app_module._check_host(host)


def test_without_gradio_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    spec = importlib.util.spec_from_file_location("hwr_hf.app_alone", app_module.__file__)
    with pytest.raises(
        ModuleNotFoundError, match=r"needs gradio\. Run: pip install 'hwr_hf\[app\]'"
    ):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_help_teaches(capsys):
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        app_module.main(["--help"])
    assert stop.value.code == 0
    assert "on this machine only" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == handler  # else forks of this process may not end
