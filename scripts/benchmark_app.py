"""Measure how long a visitor of the demo waits, in a real browser, on a machine that is idle.

python scripts/benchmark_app.py --output results/app_speed.json

Needs Chromium (Debian: apt-get install chromium). Seconds of an answer run from giving the picture
to seeing its text.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from hwr_hf.json_files import write_json

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = [ROOT / "samples" / name for name in ("line.png", "climbing.png")]
ANSWERED = "old => (text => text && text !== old)(document.querySelector('#text textarea').value)"


def answer_seconds(page, picture: Path) -> float:
    """From giving a picture, other than the last one, to its text."""
    old = page.locator("#text textarea").input_value()
    start = time.perf_counter()
    page.set_input_files("input[type=file]", picture)
    page.wait_for_function(ANSWERED, arg=old)
    return time.perf_counter() - start


def summary(seconds: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(seconds), 2), "longest": round(max(seconds), 2)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--lines", type=int, default=20, help="read with each decoder (%(default)s)"
    )
    parser.add_argument("--output", type=Path, default=Path("results/app_speed.json"))
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        parser.error("No browser is installed. On Debian: apt-get install chromium")

    load_before = round(os.getloadavg()[0], 2)
    start = time.perf_counter()
    command = [sys.executable, ROOT / "space" / "app.py", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = re.search(r"http://\S+", server.stdout.readline()).group()
            server_seconds = time.perf_counter() - start
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox"]
                )
                page = browser.new_page()
                start = time.perf_counter()
                page.goto(address)
                page.wait_for_selector("#text textarea")
                page_seconds = time.perf_counter() - start
                first = answer_seconds(page, SAMPLES[0])
                later = {}
                for decoder in ("Beam search", "Greedy"):
                    page.get_by_label(decoder).check()
                    page.wait_for_timeout(2000)
                    later[decoder] = [
                        answer_seconds(page, SAMPLES[1 - i % 2]) for i in range(arguments.lines)
                    ]
                browser.close()
        finally:
            server.terminate()
    report = {
        "pictures": [sample.relative_to(ROOT).as_posix() for sample in SAMPLES],
        "cores": os.cpu_count(),
        "load_average_before": load_before,
        "seconds": {
            "server_start": round(server_seconds, 2),
            "page_open": round(page_seconds, 2),
            "first_answer": round(first, 2),
            "page_open_and_first_answer": round(page_seconds + first, 2),
            "later_answers_beam": summary(later["Beam search"]),
            "later_answers_greedy": summary(later["Greedy"]),
        },
        "lines": arguments.lines,
    }
    write_json(arguments.output, report)
    print(json.dumps(report, indent=2))
