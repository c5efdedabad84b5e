import re
import runpy
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from huggingface_hub import RepoCard, SpaceCardData
from packaging.requirements import Requirement
from packaging.version import Version

from hwr_hf.space import pack_space

ROOT = Path(__file__).parents[1]
SPACE = ROOT / "space"
# https://huggingface.co/docs/hub/spaces-config-reference
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


@pytest.fixture(scope="module")
def options():
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def card():
    return RepoCard.load(SPACE / "README.md", repo_type="space").data.to_dict()


def test_the_front_matter_is_that_of_a_gradio_space(card):
    data = SpaceCardData(**card)
    assert (data.sdk, data.app_file) == ("gradio", "app.py")
    assert (SPACE / data.app_file).is_file()
    assert {card["colorFrom"], card["colorTo"]} <= COLOURS
    assert len(card["short_description"]) <= 60
    assert re.fullmatch(r"3\.\d+", card["python_version"])


def test_the_space_runs_the_gradio_that_the_package_requires(card, options):
    requirement = Requirement(options["options.extras_require"]["app"].strip())
    assert requirement.name == "gradio"
    (lowest,) = [part.version for part in requirement.specifier if part.operator == ">="]
    sdk_version = Version(card["sdk_version"])
    assert sdk_version in requirement.specifier
    assert sdk_version.release[:2] == Version(lowest).release[:2]


def test_the_space_installs_what_the_package_requires(options):
    required = options["options"]["install_requires"].split()
    assert (SPACE / "requirements.txt").read_text().split() == required


def test_the_packed_folder_holds_the_app_the_package_and_the_samples(tmp_path):
    files = {path.as_posix() for path in pack_space(ROOT, tmp_path / "space")}
    package = ROOT / "src" / "hwr_hf"
    expected = {
        f"hwr_hf/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected |= {f"samples/{path.name}" for path in (ROOT / "samples").iterdir()}
    expected |= {"README.md", "app.py", "requirements.txt", "LICENSE"}
    assert files == expected


def test_the_packed_app_runs_its_own_copy_of_the_package(tmp_path):
    pack_space(ROOT, tmp_path / "space")
    code = "import app, hwr_hf.app; print(hwr_hf.app.__file__)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "space",
        env={"PATH": "", "PYTHONPATH": str(tmp_path / "space")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(run.stdout.strip()) == tmp_path / "space" / "hwr_hf" / "app.py"


@pytest.mark.parametrize("folder", ["space", "."])
def test_the_app_finds_its_samples_in_the_repository_and_on_the_space(
    tmp_path, monkeypatch, folder
):
    given = []
    monkeypatch.setattr("hwr_hf.app.main", lambda examples: given.extend(examples))
    app = SPACE / "app.py"
    if folder == ".":
        pack_space(ROOT, tmp_path / "packed")
        app = tmp_path / "packed" / "app.py"
    runpy.run_path(str(app), run_name="__main__")
    assert [path.name for path in given] == ["line.png", "climbing.png", "word.png"]
    assert all(path.is_file() for path in given)
    assert given[0].parent == (ROOT if folder == "space" else tmp_path / "packed") / "samples"


def test_a_folder_with_something_in_it_is_not_packed_over(tmp_path):
    (tmp_path / "old.txt").touch()
    with pytest.raises(ValueError, match="is not empty"):
        pack_space(ROOT, tmp_path)


def test_what_is_no_checkout_is_not_packed(tmp_path):
    with pytest.raises(ValueError, match="space, src/hwr_hf, samples, LICENSE is missing"):
        pack_space(tmp_path, tmp_path / "out")


def test_the_script_packs_a_space(tmp_path, monkeypatch, capsys):
    output = tmp_path / "space"
    monkeypatch.setattr(sys, "argv", ["pack_space.py", "--output", str(output)])
    runpy.run_path(str(ROOT / "scripts" / "pack_space.py"), run_name="__main__")
    assert (output / "hwr_hf" / "pretrained" / "model.safetensors").is_file()
    assert f"hwr-hf push {output} --repo user/name --type space" in capsys.readouterr().out


def test_the_readme_of_the_space_names_the_script_that_packs_it():
    assert "python scripts/pack_space.py --output" in (SPACE / "README.md").read_text()
