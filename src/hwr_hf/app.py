"""The demo: a web page that reads a picture, a photograph or a drawing of one line.

`build_app` gives the page, `main` serves it: `python -m hwr_hf.app`. Everything runs on the machine
that serves it: the page loads nothing from elsewhere and sends nothing on. What a visitor gives is
deleted as soon as it is read; pictures and downloads in the answer travel inside the page.
"""

import argparse
import contextlib
import filecmp
import logging
import os
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from huggingface_hub.errors import StrictDataclassError
from PIL import Image
from safetensors import SafetensorError
from transformers.utils.logging import disable_progress_bar

try:
    import gradio as gr
except ModuleNotFoundError as error:
    message = f"The demo needs {error.name}. Run: pip install 'hwr_hf[app]'"
    raise ModuleNotFoundError(message, name=error.name) from None

from . import DEFAULT_MODEL
from .app_html import message_html, notes_html, result_html, steps_html
from .app_input import MAX_FILE_BYTES, MAX_PIXELS, InputError, load_drawing, load_picture
from .app_reading import LineReader
from .correction import BertCorrector, has_corrector, load_corrector
from .model_folders import checked_model

MAX_QUEUE = 20  # visitors waiting; more are told to come back
MAX_SESSIONS = 50  # whose picture is remembered
FORGET_AFTER = 600  # seconds until an idle visitor's picture, and a file never read, are deleted
CLEAN_EVERY = 60  # seconds
MAX_PORT = 65535

TITLE = "Read a line of handwriting"
INTRODUCTION = (
    f"# {TITLE}\n"
    "Give a picture of **one line** of English handwriting, or write one. "
    "It is read on this server and deleted right after."
)
APOLOGY = "Something went wrong on our side, and the line was not read. Please try again."
FILES = Path(__file__).parent / "app_files"

logger = logging.getLogger(__name__)


class _Answers:
    """What the page's events answer. Every answer ends with message, text, result and steps."""

    def __init__(self, reader: LineReader, examples: Sequence[str]) -> None:
        self._reader = reader
        self._examples = examples

    def read(
        self, load: Callable[[], np.ndarray], decoder: str, correct: bool
    ) -> tuple[str, str, str, str]:
        """The line that `load` gives; only a kind message if it cannot be read."""
        try:
            reading = self._reader.read(load(), decoder, correct)
        except InputError as error:
            return message_html(str(error)), "", "", ""
        except Exception:
            logger.exception("A line could not be read.")
            return message_html(APOLOGY), "", "", ""
        notes = notes_html(reading.notes)
        return notes, reading.text, result_html(reading), steps_html(reading.steps)

    def to_upload(self, upload: dict | None, decoder: str, correct: bool) -> tuple:
        """To a picture given or taken away: what the input shows, the grey picture, the reading."""
        if upload is None:
            return gr.skip(), None, "", "", "", ""
        grey = None

        def load() -> np.ndarray:
            nonlocal grey
            grey = load_picture(upload["path"])
            return grey

        try:
            answer = self.read(load, decoder, correct)
        finally:
            delete_upload(upload["path"], keep=self._examples)
        # What could not be opened makes room for the next try.
        return None if grey is None else gr.skip(), grey, *answer

    def to_button(
        self, source: str, grey: np.ndarray | None, drawing: str, decoder: str, correct: bool
    ) -> tuple:
        """To the button: the reading of the drawing or of the last picture."""

        def load() -> np.ndarray:
            if source == "drawing":
                return load_drawing(drawing)
            if grey is None:
                raise InputError("There is no picture yet. Drop, paste or photograph one.")
            return grey

        return self.read(load, decoder, correct)

    def to_setting(
        self, source: str, grey: np.ndarray | None, drawing: str, decoder: str, correct: bool
    ) -> tuple:
        """To a changed setting: the new reading, if there is something to read."""
        if drawing if source == "drawing" else grey is not None:
            return self.to_button(source, grey, drawing, decoder, correct)
        return (gr.skip(),) * 4

    def to_example(self, example: str, decoder: str, correct: bool) -> tuple:
        """To an example chosen: it becomes the picture, on its tab, and is read."""
        grey = load_picture(example)
        answer = self.read(lambda: grey, decoder, correct)
        return example, grey, "picture", gr.Tabs(selected="picture"), *answer


def build_app(
    model: str = DEFAULT_MODEL,
    *,
    corrector: Callable[[str], str] | None = None,
    examples: Sequence[str | Path] = (),
) -> gr.Blocks:
    """The page, with the model loaded and warm.

    Args:
        model: Folder or Hub id.
        corrector: Function text -> text, such as a `BertCorrector`. With it the page has a switch
            for the correction and shows what it changed.
        examples: Picture files to try the app with.

    Returns:
        Blocks to serve with `launch_app`.
    """
    examples = list(map(str, examples))
    reader = LineReader(model, corrector)
    answers = _Answers(reader, examples)

    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(CLEAN_EVERY, FORGET_AFTER)
    ) as app:
        source, grey = gr.State("picture"), gr.State(time_to_live=FORGET_AFTER)
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(min_width=300):
                with gr.Tabs(selected="picture") as tabs:
                    with gr.Tab("Picture", id="picture") as picture_tab:
                        picture = gr.Image(
                            sources=["upload", "clipboard", "webcam"],
                            webcam_options=gr.WebcamOptions(mirror=False),
                            buttons=[],
                            height=240,
                            show_label=False,
                            placeholder="Drop a picture of one line here\n- or -\nClick to choose",
                        )
                    with gr.Tab("Draw", id="drawing") as drawing_tab:
                        drawing = gr.HTML(
                            value="",
                            html_template=_app_file("canvas.html"),
                            js_on_load=_app_file("canvas.js"),
                            apply_default_css=False,
                            elem_id="drawing",
                        )
                message = gr.HTML(elem_id="message", apply_default_css=False)
                button = gr.Button("Read", variant="primary", elem_id="read")
                decoder = gr.Radio(
                    _decoder_choices(reader.has_ngram), value="beam", label="Decoder"
                )
                correct = gr.Checkbox(
                    value=corrector is not None,
                    label="Correct the text",
                    visible=corrector is not None,
                    elem_id="correct",
                )
                example_buttons = []
                if examples:
                    gr.Markdown("Or try an example:")
                    with gr.Row(elem_id="examples"):
                        for example in examples:
                            name = Path(example).stem
                            example_buttons.append(
                                gr.Button(name, icon=example, size="sm", min_width=80)
                            )
            with gr.Column(min_width=300):
                text = gr.Textbox(
                    label="Text",
                    lines=2,
                    buttons=["copy"],
                    interactive=False,
                    placeholder="What is read will stand here.",
                    elem_id="text",
                )
                result = gr.HTML(elem_id="result", apply_default_css=False)
        steps = gr.HTML(elem_id="steps", apply_default_css=False)

        settings = [decoder, correct]
        given = [source, grey, drawing, *settings]
        answer = [message, text, result, steps]
        # One line at a time, whoever asks: two at once would only make both slow.
        events = {"api_visibility": "private", "concurrency_id": "reader", "concurrency_limit": 1}
        scroll = {"fn": None, "js": _app_file("scroll.js")}
        for tab, name in ((picture_tab, "picture"), (drawing_tab, "drawing")):
            tab.select(partial(str, name), None, source, queue=False, api_visibility="private")
        # Not preprocessed: gr.Image would open the file itself, and fail without a word.
        # Always the last: to paste or photograph, the page first takes the picture of before away,
        # and the new one may come while that is being answered.
        picture.input(
            answers.to_upload,
            [picture, *settings],
            [picture, grey, *answer],
            preprocess=False,
            trigger_mode="always_last",
            **events,
        ).then(**scroll)
        button.click(answers.to_button, given, answer, **events).then(**scroll)
        gr.on([decoder.input, correct.input], answers.to_setting, given, answer, **events)
        for example, example_button in zip(examples, example_buttons, strict=True):
            example_button.click(
                partial(answers.to_example, example),
                settings,
                [picture, grey, source, tabs, *answer],
                **events,
            ).then(**scroll)
    return app.queue(max_size=MAX_QUEUE)


def _decoder_choices(has_ngram: bool) -> list[tuple[str, str]]:
    """Label and name of each decoder."""
    with_or_without = "with" if has_ngram else "without"
    return [
        (f"Beam search, {with_or_without} a language model", "beam"),
        ("Greedy, the network alone", "greedy"),
    ]


def _app_file(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


def delete_upload(path: str, keep: Sequence[str] = ()) -> None:
    """Remove a visitor's file, and the folder that gradio made for it.

    Gradio names files by their content: a visitor's copy of an example in `keep` is the very file
    that the page shows as the example, and stays.
    """
    with contextlib.suppress(OSError):
        if any(filecmp.cmp(path, example, shallow=False) for example in keep):
            return
        os.unlink(path)
        os.rmdir(os.path.dirname(path))


def launch_app(app: gr.Blocks, **options) -> str:
    """Serve the page in the background and return its address.

    Nothing is shared through a tunnel, fonts come from this server, and the browser keeps no
    history of what was read. `options` are those of `gradio.Blocks.launch`.
    """
    # Pillow refuses twice as many by itself, whichever way a picture came in.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    options = {
        "share": False,
        "quiet": True,
        "footer_links": [],
        "run_history": False,
        "max_file_size": MAX_FILE_BYTES,
        "state_session_capacity": MAX_SESSIONS,
        "enable_monitoring": False,
        "ssr_mode": False,
        # Weight 600 of this font is a part of its letters only.
        "theme": gr.themes.Default(
            primary_hue="blue",
            font=[gr.themes.LocalFont("Source Sans Pro", weights=(400, 700)), "sans-serif"],
            font_mono=["ui-monospace", "monospace"],
        ).set(
            # A shade darker than the theme's own, whose contrast with the white letters is 3.7.
            button_primary_background_fill="*primary_600",
            button_primary_background_fill_hover="*primary_700",
        ),
        "css": _app_file("app.css"),
    } | options
    return app.launch(prevent_thread_lock=True, **options)[1]


def main(argv: Sequence[str] | None = None, examples: Sequence[str | Path] = ()) -> None:
    """Serve the demo, with these pictures as examples, until Ctrl+C."""
    parser = argparse.ArgumentParser(
        prog="python -m hwr_hf.app",
        description="Serve a web page that reads handwritten lines, on this machine only.",
        epilog="Nothing is uploaded anywhere: the model in the package reads without a network.",
    )
    add = parser.add_argument
    add("--model", default=DEFAULT_MODEL, help="folder or Hub id (the one in the package)")
    add(
        "--corrector",
        metavar="FOLDER_OR_ID",
        help="correct with this one (the one beside the model, where there is one)",
    )
    add("--host", help="address to listen on; 0.0.0.0 lets others in (this machine only)")
    add("--port", type=_port, help="port to listen on (the first free one from 7860)")
    add("--no-browser", action="store_true", help="print the address, open no browser")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # leave through the `with` below
    disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix="hwr_hf_") as folder:
        # Whatever the server still holds when it ends goes with the folder.
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            _check_host(arguments.host)
            model = checked_model(arguments.model)
            corrector = _corrector(model, arguments.corrector)
            app = build_app(model, corrector=corrector, examples=examples)
            address = launch_app(app, server_name=arguments.host, server_port=arguments.port)
        except SafetensorError as error:
            reason = f"The model's weights are damaged ({error}). Get the model again."
            raise SystemExit(f"hwr_hf.app: {reason}") from None
        except (OSError, ValueError, StrictDataclassError) as error:
            reason = " ".join(str(error).split())
            raise SystemExit(f"hwr_hf.app: {reason}") from None
        print(f"Reading handwriting at {address} (Ctrl+C stops)", flush=True)
        if not arguments.no_browser and _has_desktop():
            webbrowser.open(address)
        app.block_thread()


def _port(text: str) -> int:
    """A port's number."""
    number = int(text)
    if not 1 <= number <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"{number} is no port, use 1 to {MAX_PORT}")
    return number


def _check_host(host: str | None) -> None:
    """Raises a ValueError unless this machine can listen there; gradio would try for ever."""
    if not host:
        return
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
        family, *_, address = found[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.bind(address)
    except (OSError, UnicodeError) as error:  # UnicodeError: not even the form of a name
        raise ValueError(
            f"--host {host!r} is no address of this machine ({error}). Give one of its own, "
            "0.0.0.0 for all of them, or leave it out to serve this machine only."
        ) from error


def _corrector(model: str, place: str | None) -> BertCorrector | None:
    """The corrector asked for, else the one beside the model, else none."""
    if place is None and not has_corrector(model):
        return None
    return load_corrector(model, place)


def _has_desktop() -> bool:
    """Whether a browser window can open; elsewhere a text browser would take the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    main()
