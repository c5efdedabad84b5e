"""Take the pictures of the demo that the README shows: a desktop, and a phone in the dark theme.

python scripts/show_app.py --output samples

Needs Chromium (Debian: apt-get install chromium).
"""

import argparse
import re
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
# Name, window, theme, example
LOOKS = (
    ("demo.png", {"width": 1100, "height": 1300}, "light", "climbing"),
    ("demo_phone.png", {"width": 390, "height": 844}, "dark", "word"),
)


def screenshot(page) -> Image.Image:
    """The window in 128 colours, which are enough for letters and keep the file small."""
    picture = Image.open(BytesIO(page.screenshot()))
    return picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("samples"))
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        parser.error("No browser is installed. On Debian: apt-get install chromium")
    command = [sys.executable, ROOT / "space" / "app.py", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = re.search(r"http://\S+", server.stdout.readline()).group()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox"]
                )
                for name, window, theme, example in LOOKS:
                    page = browser.new_page(viewport=window, color_scheme=theme)
                    page.goto(address)
                    page.get_by_role("button", name=example).click()
                    page.wait_for_selector("#steps img")
                    page.wait_for_timeout(1500)  # what fades in has done so
                    page.mouse.move(0, 0)
                    screenshot(page).save(arguments.output / name, optimize=True)
                browser.close()
        finally:
            server.terminate()
