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
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from . import DEFAULT_MODEL
from .app_html import message_html, result_html, steps_html
from .app_input import MAX_FILE_BYTES, MAX_PIXELS, InputError, load_drawing, load_picture
from .app_reading import LineReader

MAX_QUEUE = 20  # visitors waiting; more are told to come back
MAX_SESSIONS = 50  # whose picture is remembered
FORGET_AFTER = 600  # seconds until an idle visitor's picture, and a file never read, are deleted
CLEAN_EVERY = 60  # seconds

TITLE = "Read a line of handwriting"
INTRODUCTION = (
    f"# {TITLE}\n"
    "Give a picture of **one line** of English handwriting, or write one. "
    "It is read on this server and deleted right after."
)
APOLOGY = "Something went wrong on our side, and the line was not read. Please try again."
DECODER_CHOICES = [
    ("Beam search: the network and a language model together", "beam"),
    ("Greedy: the network alone", "greedy"),
]
FILES = Path(__file__).parent / "app_files"

logger = logging.getLogger(__name__)


def build_app(
    model: str = DEFAULT_MODEL,
    *,
    corrector: Callable[[str], str] | None = None,
    examples: Sequence[str | Path] = (),
) -> gr.Blocks:
    """The page, with the model loaded and warm.

    Args:
        model: Folder or Hub id.
        corrector: Function text -> text. With it the page has a switch for the correction and shows
            what it changed.
        examples: Picture files to try the app with.

    Returns:
        Blocks to serve with `launch_app`.
    """
    reader = LineReader(model, corrector)
    examples = list(map(str, examples))

    def show(load: Callable[[], np.ndarray], decoder: str, correct: bool) -> tuple[str, str, str]:
        """Text, result and steps of what `load` gives, or a kind message."""
        try:
            reading = reader.read(load(), decoder, correct)
        except InputError as error:
            return "", message_html(str(error)), ""
        except Exception:
            logger.exception("A line could not be read.")
            return "", message_html(APOLOGY), ""
        return reading.text, result_html(reading), steps_html(reading.steps)

    def read_picture(upload: dict | None, decoder: str, correct: bool):
        if upload is None:  # the visitor took the picture away
            return None, "", "", ""
        path, picture = upload["path"], None

        def load() -> np.ndarray:
            nonlocal picture
            picture = load_picture(path)
            return picture

        try:
            shown = show(load, decoder, correct)
        finally:
            delete_upload(path, keep=examples)
        return picture, *shown

    def read_again(
        source: str, picture: np.ndarray | None, drawing: str, decoder: str, correct: bool
    ):
        def load() -> np.ndarray:
            if source == "drawing":
                return load_drawing(drawing)
            if picture is None:
                raise InputError("There is no picture yet. Drop, paste or photograph one.")
            return picture

        return show(load, decoder, correct)

    def switch(source: str, picture: np.ndarray | None, drawing: str, decoder: str, correct: bool):
        if (drawing if source == "drawing" else picture) is None or drawing == "":
            return gr.skip(), gr.skip(), gr.skip()
        return read_again(source, picture, drawing, decoder, correct)

    def read_example(index: int, decoder: str, correct: bool):
        picture = load_picture(examples[index])
        shown = show(lambda: picture, decoder, correct)
        return examples[index], picture, "picture", gr.Tabs(selected="picture"), *shown

    with gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(CLEAN_EVERY, FORGET_AFTER)
    ) as app:
        picture_state = gr.State(time_to_live=FORGET_AFTER)
        source = gr.State("picture")
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
                            html_template=(FILES / "canvas.html").read_text(encoding="utf-8"),
                            js_on_load=(FILES / "canvas.js").read_text(encoding="utf-8"),
                            apply_default_css=False,
                            elem_id="drawing",
                        )
                button = gr.Button("Read", variant="primary", elem_id="read")
                decoder = gr.Radio(DECODER_CHOICES, value="beam", label="Decoder")
                correct = gr.Checkbox(
                    value=corrector is not None,
                    label="Correct the text",
                    visible=corrector is not None,
                    elem_id="correct",
                )
                if examples:
                    gallery = gr.Dataset(
                        components=[gr.Image(render=False)],
                        samples=[[example] for example in examples],
                        label="Examples",
                        type="index",
                        layout="gallery",
                        elem_id="examples",
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

        shown = [text, result, steps]
        settings = [decoder, correct]
        given = [source, picture_state, drawing, *settings]
        # One line at a time, whoever asks: two at once would only make both slow.
        hidden = {"api_visibility": "private", "concurrency_id": "reader", "concurrency_limit": 1}
        picture_tab.select(lambda: "picture", outputs=source, queue=False, api_visibility="private")
        drawing_tab.select(lambda: "drawing", outputs=source, queue=False, api_visibility="private")
        # The file as it came: gr.Image would open it itself, and fail without a word.
        picture.input(
            read_picture, [picture, *settings], [picture_state, *shown], preprocess=False, **hidden
        )
        button.click(read_again, given, shown, **hidden)
        gr.on([decoder.input, correct.input], switch, given, shown, **hidden)
        if examples:
            gallery.click(
                read_example,
                [gallery, *settings],
                [picture, picture_state, source, tabs, *shown],
                **hidden,
            )
    return app.queue(max_size=MAX_QUEUE)


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
        ),
        "css": (FILES / "app.css").read_text(encoding="utf-8"),
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
    add("--host", help="address to listen on; 0.0.0.0 lets others in (this machine only)")
    add("--port", type=int, help="port to listen on (the first free one from 7860)")
    add("--no-browser", action="store_true", help="print the address, open no browser")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="hwr_hf_") as folder:
        # Whatever the server still holds when it ends goes with the folder.
        os.environ["GRADIO_TEMP_DIR"] = folder
        app = build_app(arguments.model, examples=examples)
        try:
            address = launch_app(app, server_name=arguments.host, server_port=arguments.port)
        except OSError as error:
            raise SystemExit(f"hwr_hf.app: {error}") from None
        print(f"Reading handwriting at {address} (Ctrl+C stops)", flush=True)
        if not arguments.no_browser and _has_desktop():
            webbrowser.open(address)
        app.block_thread()


def _has_desktop() -> bool:
    """Whether a browser window can open; elsewhere a text browser would take the terminal."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    main()
