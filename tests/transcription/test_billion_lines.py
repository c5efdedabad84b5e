"""What a billion lines cost, against values worked out by hand."""

import json
from pathlib import Path

import pytest

from hwr_hf.transcription.billion_lines import Assumptions, billion_lines_page, limits

RESULTS = Path(__file__).parents[2] / "results"
MEASURED = {
    "images": 100,
    "pixels": [[900, 60], [1000, 50]],
    "decoder": "greedy",
    "cores": 2,
    "torch": "2",
    "bytes_per_image": 50_000,
    "bytes_per_row": 200,
    "images_per_second": {"archive": 6000, "decode": 1000, "worker": 5, "write": 3000},
}
ASSUMED = Assumptions(images=36_000_000, cores=10, price=0.1, network=1, storage=1000)


def rows_of(page):
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines]


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        pytest.param("workers", 150, id="3-machines-of-10-cores-at-5"),
        pytest.param("storage", 20_000, id="1000-MB-of-50-kB"),
        pytest.param("network of the dealing process", 2500, id="125-MB-of-50-kB"),
        pytest.param("dealing process", 2000, id="a-6000th-and-a-3000th-of-a-second"),
    ],
)
def test_limits(step, rate):
    assert limits(MEASURED, ASSUMED, 3)[step] == pytest.approx(rate)


def test_cost_while_workers_are_the_limit_and_beyond():
    rows = {row[0]: row[1:] for row in rows_of(billion_lines_page(MEASURED, ASSUMED))}
    # 36 million images at 50 a second: 200 hours of 10 cores at 0.1 dollars
    assert rows["1"] == ["10", "50", "50", "workers", "200", "200"]
    # 100 machines could read 5000 a second, and are paid for 5 hours at 2000
    assert rows["100"] == ["1,000", "5,000", "2,000", "dealing process", "5", "500"]


def test_the_first_limit_is_named_with_the_machines_it_keeps_busy():
    page = billion_lines_page(MEASURED, ASSUMED)
    assert ["dealing process", "2,000", "40.0"] in rows_of(page)
    assert "Up to 40 machines the workers" in page
    assert "the dealing process saturates first" in page
    assert "0.5% of a worker's time" in page


def test_sizes_of_the_whole():
    page = billion_lines_page(MEASURED, ASSUMED)
    assert "all rows take 7 GB and all images 1.8 TB" in page


def test_the_published_page_is_what_its_numbers_give():
    report = json.loads((RESULTS / "billion_lines.json").read_text(encoding="utf-8"))
    page = (RESULTS / "billion_lines.md").read_text(encoding="utf-8")
    assert page == billion_lines_page(report["measured"], Assumptions(**report["assumed"]))
