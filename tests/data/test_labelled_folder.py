import os

import pytest
from drawing import draw_text_line
from locked_folder import lock
from PIL import Image

from hwr_hf.data.labelled_folder import LabelledFolder, OutsideFolderError


@pytest.fixture
def folder(tmp_path):
    """`user` with `a.png` and `sub/b.png`, beside it `secret.png`."""
    (tmp_path / "user" / "sub").mkdir(parents=True)
    for name in ("user/a.png", "user/sub/b.png", "secret.png"):
        draw_text_line("x").save(tmp_path / name)
    return tmp_path / "user"


def test_hidden_files_and_the_excluded_folder_are_not_listed(folder):
    for name in (".git", "__MACOSX", "out"):
        (folder / name).mkdir()
        (folder / name / "c.png").touch()
    (folder / ".hidden.png").touch()
    assert LabelledFolder(folder, excluded=folder / "out").images == ["a.png", "sub/b.png"]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("b.png", "sub/b.png"),
        ("sub/b.png", "sub/b.png"),
        ("../a.png", "a.png"),
        ("sub\\b.png", "sub/b.png"),
    ],
)
def test_an_image_is_found_beside_the_file_that_names_it_or_from_the_folder(folder, name, image):
    assert LabelledFolder(folder).find_image(name, beside="sub/lines.csv") == image


def test_an_absolute_path_into_the_folder_is_found(folder):
    name = str(folder.resolve() / "a.png")
    assert LabelledFolder(folder).find_image(name, beside="lines.csv") == "a.png"


@pytest.mark.parametrize(
    "name", ["../secret.png", "sub/../../secret.png", "..\\secret.png", "/etc/hostname"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(folder, name):
    with pytest.raises(OutsideFolderError, match="outside the folder"):
        LabelledFolder(folder).find_image(name, beside="lines.csv")


def test_a_link_out_of_the_folder_is_refused(folder):
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    with pytest.raises(OutsideFolderError, match="link out of the folder"):
        LabelledFolder(folder).read_image("link.png")


def test_sub_folders_that_are_not_looked_through_are_told(folder, monkeypatch):
    (folder / "locked").mkdir()
    (folder / "out").symlink_to(folder.parent)
    (folder / "around").symlink_to(folder)
    (folder / "same").symlink_to(folder / "sub")
    (folder / ".git").symlink_to(folder.parent)
    lock(folder / "locked", monkeypatch)
    found = LabelledFolder(folder)
    assert found.images == ["a.png", "sub/b.png"]
    told = {fault.file: fault.reason.partition(":")[0] for fault in found.faults}
    assert told == {
        "locked/": "folder that cannot be listed",
        "out/": "link to a folder outside of this one",
    }


def test_a_pipe_is_not_read(folder):
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(ValueError, match="is no file"):
        LabelledFolder(folder).read_image("pipe.png")


def test_an_image_is_kept_as_it_is_stored(folder):
    content, suffix = LabelledFolder(folder).read_image("a.png")
    assert (content, suffix) == ((folder / "a.png").read_bytes(), ".png")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty file"), (b"text", "does not decode"), (b"\x89PNG\r\n\x1a\n", "does not decode")],
)
def test_a_broken_image_is_told(folder, content, reason):
    (folder / "broken.png").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        LabelledFolder(folder).read_image("broken.png")


def test_a_tiff_of_several_pages_is_told(folder):
    pages = [Image.new("L", (9, 9)) for _ in range(2)]
    pages[0].save(folder / "two.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match="several pages: 2"):
        LabelledFolder(folder).read_image("two.tif")


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        LabelledFolder(tmp_path / "none")
