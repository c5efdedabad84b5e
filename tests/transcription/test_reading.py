"""What happens to rows when an image or the machine is at fault."""

import io

import pytest
from drawing import draw_text_line

from hwr_hf.transcription.reading import ReaderSettings, RowReader
from hwr_hf.transcription.sources import Item


@pytest.fixture
def reader(tiny_model_dir):
    return RowReader(ReaderSettings(str(tiny_model_dir), words=False, device="cpu"))


@pytest.fixture
def items(tmp_path):
    draw_text_line("good").save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    return [Item(name, str(tmp_path / name)) for name in ("bad.png", "good.png")]


def test_an_image_that_does_not_decode_costs_no_other_its_text(reader, items):
    bad, good = reader.rows(items)
    assert bad["text"] is None and "cannot identify" in bad["error"]
    assert isinstance(good["text"], str) and good["error"] is None


def test_an_image_of_an_archive_is_called_by_its_name(reader):
    pages = io.BytesIO()
    page = draw_text_line("page")
    page.save(pages, "TIFF", save_all=True, append_images=[page])
    items = [Item("a/bad.png", b"no image"), Item("a/pages.tif", pages.getvalue())]
    for item, row in zip(items, reader.rows(items), strict=True):
        assert f"'{item.id}'" in row["error"] and "BytesIO" not in row["error"]


def test_a_fault_of_an_image_inside_the_pipeline_is_its_row(reader, items, monkeypatch):
    def read(images, batch_size):
        raise ValueError("too small")

    monkeypatch.setattr(reader, "_pipeline", read)
    assert [row["error"] for row in reader.rows(items[1:] * 2)] == ["too small"] * 2


def test_a_fault_of_the_machine_is_no_row(reader, items, monkeypatch):
    def read(images, batch_size):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(reader, "_pipeline", read)
    with pytest.raises(RuntimeError, match="out of memory"):
        reader.rows(items[1:])
