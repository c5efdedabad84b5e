"""The demo as people use it: in Chromium, with a mouse, a finger, a keyboard, and both themes."""

import json
import re
import shutil

import pytest
from drawing import draw_text_line
from PIL import Image
from test_app_html import contrast
from test_app_input import png_of_size, stacked

from hwr_hf.app import build_app, launch_app

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="No browser is installed. On Debian: apt-get install chromium"
)

TEXT = "the morning post"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
sync_api.expect.set_options(timeout=30_000)
# "hill" in canvas pixels, stroke by stroke
HILL = [
    [(30, 60), (30, 100), (30, 140)],
    [(30, 110), (40, 98), (52, 96), (60, 106), (60, 140)],
    [(78, 98), (78, 120), (78, 140)],
    [(78, 82), (79, 83)],
    [(96, 60), (96, 100), (96, 140)],
    [(114, 60), (114, 100), (114, 140)],
]


@pytest.fixture(scope="session")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Address of the page with a corrector and an example, and the folder of its files."""
    folder = tmp_path_factory.mktemp("site")
    draw_text_line("an example", font_size=48, margin=20).save(folder / "sample.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "cache"))
        patch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # launching sets it
        app = build_app(
            corrector=lambda text: text.replace("morning", "evening"),
            examples=[folder / "sample.png"],
        )
        yield launch_app(app), folder / "cache"
        app.close()


@pytest.fixture(scope="session")
def contexts(browser):
    """Function that gives a browser profile; one for each look, so that files are cached."""
    profiles = {}

    def context(is_phone, theme):
        if (is_phone, theme) not in profiles:
            profiles[is_phone, theme] = browser.new_context(
                viewport=PHONE if is_phone else DESKTOP,
                color_scheme=theme,
                has_touch=is_phone,
                permissions=["camera", "clipboard-read", "clipboard-write"],
            )
        return profiles[is_phone, theme]

    return context


@pytest.fixture
def open_page(contexts, site):
    """Function that opens the page in a tab of its own."""
    pages = []

    def open_page(is_phone=False, theme="light"):
        page = contexts(is_phone, theme).new_page()
        pages.append(page)
        page.set_default_timeout(30_000)
        page.goto(site[0])
        page.wait_for_selector("#text textarea")
        return page

    yield open_page
    for page in pages:
        page.close()


@pytest.fixture
def line(tmp_path):
    draw_text_line(TEXT, font_size=48, margin=20).save(tmp_path / "line.png")
    return tmp_path / "line.png"


def give(page, path):
    page.set_input_files("input[type=file]", path)


def wait_for_text(page, pattern):
    sync_api.expect(page.locator("#text textarea")).to_have_value(re.compile(pattern))
    return page.locator("#text textarea").input_value()


def wait_for_error(page, pattern):
    sync_api.expect(page.locator("[role=alert]")).to_contain_text(re.compile(pattern))
    assert "Traceback" not in page.content()


def draw(page, strokes):
    """Draw with the mouse on the canvas, which is opened first."""
    page.get_by_role("tab", name="Draw").click()
    page.locator("#drawing canvas").scroll_into_view_if_needed()
    box = page.locator("#drawing canvas").bounding_box()
    for (x, y), *others in strokes:
        page.mouse.move(box["x"] + x, box["y"] + y)
        page.mouse.down()
        for x, y in others:
            page.mouse.move(box["x"] + x, box["y"] + y, steps=3)
        page.mouse.up()


def overflow(page):
    """Pixels by which the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


# Reading


def test_an_uploaded_line_is_read_and_every_step_is_shown(open_page, line):
    page = open_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.reload()
    give(page, line)
    assert wait_for_text(page, "post") == "the evening post"
    words = page.locator(".hwr-words li").all_inner_texts()
    assert [word.split()[0] for word in words] == TEXT.split()
    assert all(re.search(r"\d+ %$", word) for word in words)
    captions = page.locator("#steps figcaption").all_inner_texts()
    assert captions[0] == "Original, in grey"
    assert captions[-1].startswith("What the network sees: 48 pixels high")
    for picture in page.locator("#steps img").all():
        assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    elsewhere = [
        url for url in requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))
    ]
    assert requests and elsewhere == []


def test_no_file_of_a_visitor_is_kept(open_page, line, site):
    page = open_page()
    give(page, line)
    wait_for_text(page, "post")
    kept = {path.name for path in site[1].rglob("*") if path.is_file()}
    assert kept == {"sample.png"}


def test_a_drawn_line_is_read(open_page):
    page = open_page()
    draw(page, HILL)
    page.get_by_role("button", name="Read", exact=True).click()
    assert wait_for_text(page, ".") == "hill"


def test_a_finger_draws_on_a_phone_without_moving_the_page(open_page):
    page = open_page(is_phone=True)
    page.get_by_role("tab", name="Draw").click()
    page.locator("#drawing canvas").scroll_into_view_if_needed()
    box = page.locator("#drawing canvas").bounding_box()
    before = page.evaluate("window.scrollY")
    touch = page.context.new_cdp_session(page)

    def send(kind, *points):
        points = [{"x": box["x"] + x, "y": box["y"] + y} for x, y in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    for first, *others in HILL:
        send("touchStart", first)
        for point in others:
            send("touchMove", point)
        send("touchEnd")
    assert page.evaluate("window.scrollY") == before
    page.get_by_role("button", name="Read", exact=True).click()
    assert wait_for_text(page, ".") == "hill"


def test_a_palm_beside_the_finger_leaves_no_trace(open_page):
    page = open_page(is_phone=True)
    page.get_by_role("tab", name="Draw").click()
    page.locator("#drawing canvas").scroll_into_view_if_needed()
    box = page.locator("#drawing canvas").bounding_box()
    touch = page.context.new_cdp_session(page)
    palm = (250, 150)

    def send(kind, *points):
        points = [
            {"x": box["x"] + x, "y": box["y"] + y, "id": number}
            for number, (x, y) in enumerate(points)
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    for first, *others in HILL:
        send("touchStart", first)
        send("touchStart", first, palm)
        for point in others[:-1]:
            palm = (palm[0] + 1, palm[1])
            send("touchMove", point, palm)
        send("touchEnd", (others[:-1] or [first])[-1])  # the palm is lifted, the finger goes on
        send("touchMove", others[-1])
        send("touchEnd")
    page.get_by_role("button", name="Read", exact=True).click()
    assert wait_for_text(page, ".") == "hill"


def test_a_stroke_can_be_undone_and_the_paper_cleared(open_page):
    page = open_page()
    draw(page, [*HILL, [(20, 20), (150, 160), (20, 160), (150, 20)]])
    page.get_by_role("button", name="Undo stroke").click()
    page.get_by_role("button", name="Read", exact=True).click()
    assert wait_for_text(page, ".") == "hill"
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Read", exact=True).click()
    wait_for_error(page, "Nothing is drawn yet")


def test_a_pasted_picture_is_read(open_page, line, tmp_path):
    page = open_page()
    page.evaluate(
        """async (bytes) => {
            const blob = new Blob([new Uint8Array(bytes)], { type: "image/png" });
            await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        list(line.read_bytes()),
    )
    page.get_by_role("button", name="Paste from clipboard").click()
    wait_for_text(page, "post")


def test_a_dropped_picture_is_read(open_page, line):
    page = open_page()
    transfer = page.evaluate_handle(
        """(bytes) => {
            const transfer = new DataTransfer();
            const file = new File([new Uint8Array(bytes)], "line.png", { type: "image/png" });
            transfer.items.add(file);
            return transfer;
        }""",
        list(line.read_bytes()),
    )
    target = page.get_by_role("button", name="Drop an image file here to upload")
    target.dispatch_event("drop", {"dataTransfer": transfer})
    wait_for_text(page, "post")


def test_a_photograph_is_answered(open_page, site):
    page = open_page()
    page.get_by_role("button", name="Capture from camera").click()
    page.get_by_text("Click to Access Webcam").click()
    page.wait_for_function("document.querySelector('video')?.videoWidth > 0")
    page.get_by_role("button", name="capture photo").click()
    # What the test camera shows is no writing; any answer will do, and nothing is kept.
    page.wait_for_selector(".hwr-words, [role=alert]")
    assert {path.name for path in site[1].rglob("*") if path.is_file()} == {"sample.png"}


def test_an_example_is_read_and_can_be_read_again(open_page):
    page = open_page()
    for _ in range(2):
        page.get_by_role("button", name="sample").click()
        wait_for_text(page, "example")
        draw(page, HILL)
        page.get_by_role("button", name="Read", exact=True).click()
        wait_for_text(page, "hill")


# Settings and results


def test_the_decoder_can_be_switched(open_page, line):
    # No English, so that it doubts; wide spaces, so that it does not doubt where a word ends.
    draw_text_line("clodd   burn   bum", font_size=48, margin=20).save(line)
    page = open_page()
    give(page, line)
    wait_for_text(page, "burn")
    assert page.locator(".hwr-table tbody tr").count() > 1
    page.get_by_label("Greedy").check()
    page.wait_for_selector(".hwr-table", state="detached")
    assert page.locator(".hwr-words li").count() == 3


def test_the_correction_is_shown_as_a_diff_and_can_be_switched_off(open_page, line):
    page = open_page()
    give(page, line)
    wait_for_text(page, "^the evening post$")
    assert page.locator(".hwr-diff del").inner_text() == "morning"
    assert page.locator(".hwr-diff ins").inner_text() == "evening"
    style = "element => getComputedStyle(element).textDecorationLine"
    assert page.locator(".hwr-diff del").evaluate(style) == "line-through"
    assert page.locator(".hwr-diff ins").evaluate(style) == "underline"
    page.get_by_label("Correct the text").uncheck()
    wait_for_text(page, "^the morning post$")
    assert page.locator(".hwr-diff").count() == 0


def test_the_text_is_copied_and_downloaded(open_page, line, tmp_path):
    page = open_page()
    give(page, line)
    wait_for_text(page, "post")
    page.locator("#text").get_by_role("button", name="Copy").click()
    page.wait_for_timeout(200)
    assert page.evaluate("navigator.clipboard.readText()") == "the evening post"
    saved = {}
    for label in ("Download text", "Download JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=label).click()
        download.value.save_as(tmp_path / "saved")
        saved[download.value.suggested_filename] = (tmp_path / "saved").read_text()
    assert saved["reading.txt"] == "the evening post\n"
    record = json.loads(saved["reading.json"])
    assert (record["recognised_text"], record["text"]) == (TEXT, "the evening post")
    assert [word["text"] for word in record["words"]] == TEXT.split()


def test_a_picture_of_several_lines_gets_a_hint(open_page, tmp_path):
    Image.fromarray(stacked("a line", "and another")).save(tmp_path / "two.png")
    page = open_page()
    give(page, tmp_path / "two.png")
    hint = page.locator("#message [role=status]")
    sync_api.expect(hint).to_contain_text("cut the picture into lines")


# Errors


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"This is a letter.", "not a picture that can be read", id="no-picture"),
        pytest.param(png_of_size(60000, 60000), "far more pixels", id="bomb"),
    ],
)
def test_what_cannot_be_read_is_said_kindly_and_the_next_line_is_read(
    open_page, tmp_path, line, content, message
):
    page = open_page()
    (tmp_path / "bad.png").write_bytes(content)
    give(page, tmp_path / "bad.png")
    wait_for_error(page, message)
    give(page, line)
    wait_for_text(page, "post")
    assert page.locator("[role=alert]").count() == 0


def test_reading_nothing_asks_for_a_picture(open_page):
    page = open_page()
    page.get_by_role("button", name="Read", exact=True).click()
    wait_for_error(page, "There is no picture yet")


def test_a_picture_taken_away_takes_its_text_along(open_page, line):
    page = open_page()
    give(page, line)
    wait_for_text(page, "post")
    page.get_by_role("button", name="Remove Image").click()
    wait_for_text(page, "^$")
    page.get_by_role("button", name="Read", exact=True).click()
    wait_for_error(page, "There is no picture yet")


# Looks


@pytest.mark.parametrize("tab", ["Picture", "Draw"])
def test_a_phone_does_not_scroll_sideways(open_page, line, tab):
    page = open_page(is_phone=True)
    assert overflow(page) <= 0
    give(page, line)
    wait_for_text(page, "post")
    page.get_by_role("tab", name=tab).click()
    page.wait_for_timeout(300)
    assert overflow(page) <= 0


def test_the_answer_comes_into_view_on_a_phone(open_page, line):
    page = open_page(is_phone=True)
    give(page, line)
    wait_for_text(page, "post")
    page.wait_for_function(
        "document.querySelector('#text').getBoundingClientRect().top < window.innerHeight / 2"
    )


def test_the_keyboard_reaches_the_read_button_and_presses_it(open_page):
    page = open_page()
    reached = []
    while "Read" not in reached and len(reached) < 20:
        page.keyboard.press("Tab")
        name = "document.activeElement.ariaLabel || document.activeElement.innerText"
        reached.append(page.evaluate(name).strip())
    assert reached[0] == "Picture" and "Upload file" in reached and reached[-1] == "Read"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    wait_for_error(page, "There is no picture yet")


PAINT = """(element) => {
    const style = getComputedStyle(element);
    let paper = element;
    while (paper && /, 0\\)$|transparent/.test(getComputedStyle(paper).backgroundColor)) {
        paper = paper.parentElement;
    }
    return [style.color, paper ? getComputedStyle(paper).backgroundColor : "rgb(255, 255, 255)"];
}"""


def hexadecimal(colour):
    red, green, blue = map(int, re.match(r"rgba?\((\d+), (\d+), (\d+)", colour).groups())
    return f"#{red:02x}{green:02x}{blue:02x}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_that_is_written_can_be_read_in_both_themes(open_page, line, theme):
    page = open_page(theme=theme)
    give(page, line)
    wait_for_text(page, "post")
    page.wait_for_timeout(300)
    papers = set()
    for selector in (
        ".hwr-words .hwr-word span",
        ".hwr-words .hwr-word small",
        ".hwr-small",
        ".hwr-small .hwr-sure",
        ".hwr-small .hwr-unsure",
        ".hwr-small .hwr-doubtful",
        ".hwr-diff",
        ".hwr-diff del",
        ".hwr-diff ins",
        ".hwr-table th",
        ".hwr-table td",
        ".hwr-button >> visible=true",
        "#result h3",
        "#steps figcaption",
        "#steps figcaption small",
        "#text textarea",
        "#read",
        "#examples button",
    ):
        ink, paper = map(hexadecimal, page.locator(selector).first.evaluate(PAINT))
        assert contrast(ink, paper) >= 4.5, f"{selector}: {ink} on {paper}"
        if selector == "#text textarea":
            papers.add(paper)
    (paper,) = papers
    assert (contrast(paper, "#ffffff") < 2) == (theme == "light")
