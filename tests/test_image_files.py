import pytest
from locked_folder import lock

from hwr_hf.image_files import files_in, is_image_name


@pytest.fixture
def scans(tmp_path):
    for name in ("scans/a/1.png", "scans/b/2.png", "elsewhere/3.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "scans"


def names_in(folder, **options):
    return [
        str(path)[len(str(folder)) + 1 :] for path in files_in(folder, is_image_name, **options)
    ]


def test_linked_folders_are_part_of_the_folder(scans):
    (scans / "aa").symlink_to(scans.parent / "elsewhere")
    assert names_in(scans) == ["a/1.png", "aa/3.png", "b/2.png"]


def test_a_link_to_a_folder_around_it_is_not_followed(scans):
    (scans / "a" / "around").symlink_to(scans)
    (scans / "b" / "itself").symlink_to(scans / "b")
    assert names_in(scans) == ["a/1.png", "b/2.png"]


def test_links_from_two_folders_to_each_other_are_followed_once(scans):
    (scans / "a" / "to-b").symlink_to(scans / "b")
    (scans / "b" / "to-a").symlink_to(scans / "a")
    assert names_in(scans) == ["a/1.png", "a/to-b/2.png", "b/2.png", "b/to-a/1.png"]


def test_a_folder_that_cannot_be_listed_is_told_and_the_others_are_read(scans, monkeypatch):
    lock(scans / "a", monkeypatch)
    told = []
    assert names_in(scans, on_unlistable=told.append) == ["b/2.png"]
    assert [error.filename for error in told] == [str(scans / "a")]


def test_unless_it_is_asked_for_nothing_is_passed_over(scans, monkeypatch):
    lock(scans / "a", monkeypatch)
    with pytest.raises(PermissionError):
        names_in(scans)
