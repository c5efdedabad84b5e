import base64
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hwr_hf.data.font_download import FONTS, NPM_REGISTRY, VERSION, download_fonts, npm_registry


def package_of(files):
    """A gzipped tar archive of path -> content."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


class Registry:
    """A tiny npm registry on this machine; `requests` lists the paths asked for."""

    def __init__(self):
        self.answers: dict[str, bytes] = {}
        self.requests: list[str] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                registry.requests.append(self.path)
                answer = registry.answers.get(self.path)
                self.send_response(404 if answer is None else 200)
                self.end_headers()
                self.wfile.write(answer or b"{}")

            def log_message(self, *args):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, name, files=None, damaged=False, tarball_host=None):
        if files is None:
            files = {
                "package/LICENSE": f"licence of {name}".encode(),
                f"package/files/{name}-latin-400-normal.woff2": f"font {name}".encode(),
            }
        package = package_of(files)
        digest = base64.b64encode(hashlib.sha512(package).digest()).decode()
        tarball = f"/@fontsource/{name}/-/{name}-{VERSION}.tgz"
        distribution = {
            "tarball": (tarball_host or self.address) + tarball,
            "integrity": f"sha512-{digest}",
        }
        metadata = {"name": name, "dist": distribution}
        self.answers[f"/@fontsource/{name}/{VERSION}"] = json.dumps(metadata).encode()
        self.answers[tarball] = package[:-1] if damaged else package


@pytest.fixture
def registry(monkeypatch):
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    registry = Registry()
    yield registry
    registry.server.shutdown()
    registry.server.server_close()


def test_fonts_arrive_with_their_licences(registry, tmp_path):
    registry.add("caveat")
    registry.add("kalam")
    paths = download_fonts(tmp_path / "new" / "fonts", ["kalam", "caveat"], registry.address)
    assert [path.name for path in paths] == ["kalam.woff2", "caveat.woff2"]
    assert [path.read_bytes() for path in paths] == [b"font kalam", b"font caveat"]
    assert paths[0].with_suffix(".LICENSE").read_text() == "licence of kalam"
    assert len(list(paths[0].parent.iterdir())) == 4


def test_a_font_that_is_there_is_not_fetched_again(registry, tmp_path):
    registry.add("caveat")
    registry.add("kalam")
    download_fonts(tmp_path, ["caveat"], registry.address)
    registry.requests.clear()
    download_fonts(tmp_path, ["caveat", "kalam"], registry.address)
    assert registry.requests and not any("caveat" in path for path in registry.requests)


def test_a_font_without_its_licence_is_fetched_again(registry, tmp_path):
    registry.add("caveat")
    (tmp_path / "caveat.woff2").write_bytes(b"old")
    download_fonts(tmp_path, ["caveat"], registry.address)
    assert (tmp_path / "caveat.woff2").read_bytes() == b"font caveat"
    assert (tmp_path / "caveat.LICENSE").exists()


def test_a_mirror_that_points_to_the_original_is_kept_to(registry, tmp_path):
    registry.add("caveat", tarball_host=NPM_REGISTRY)
    download_fonts(tmp_path, ["caveat"], registry.address + "/")
    assert (tmp_path / "caveat.woff2").exists()


def test_a_damaged_package_is_refused_and_leaves_nothing(registry, tmp_path):
    registry.add("caveat", damaged=True)
    with pytest.raises(OSError, match="arrived damaged: its sha512"):
        download_fonts(tmp_path, ["caveat"], registry.address)
    assert not list(tmp_path.iterdir())


def test_an_unknown_font_is_named(registry, tmp_path):
    with pytest.raises(ValueError, match=r"no package @fontsource/carveat .* 'caveat'"):
        download_fonts(tmp_path, ["carveat"], registry.address)


@pytest.mark.parametrize("name", ["../caveat", "Caveat", ""])
def test_what_cannot_be_a_font_name_is_asked_of_no_registry(registry, tmp_path, name):
    with pytest.raises(ValueError, match="is no font name"):
        download_fonts(tmp_path, [name], registry.address)
    assert not registry.requests


def test_a_package_without_the_font_file_is_refused(registry, tmp_path):
    registry.add("emoji", files={"package/LICENSE": b"licence"})
    with pytest.raises(ValueError, match=r"no file package/files/emoji-latin-400-normal\.woff2"):
        download_fonts(tmp_path, ["emoji"], registry.address)


def test_an_answer_that_is_no_metadata_is_refused(registry, tmp_path):
    registry.answers[f"/@fontsource/caveat/{VERSION}"] = b"<html>Log in</html>"
    with pytest.raises(OSError, match="no npm metadata"):
        download_fonts(tmp_path, ["caveat"], registry.address)


def test_a_registry_that_is_not_there_is_named(registry, tmp_path):
    registry.server.shutdown()
    registry.server.server_close()
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1.*npm_config_registry"):
        download_fonts(tmp_path, ["caveat"], registry.address)


def test_the_registry_is_the_one_npm_would_use(monkeypatch, tmp_path):
    home, project = tmp_path / "home", tmp_path / "project"
    for folder in (home, project):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.delenv("npm_config_registry", raising=False)
    monkeypatch.delenv("NPM_CONFIG_REGISTRY", raising=False)
    monkeypatch.chdir(project)
    assert npm_registry() == NPM_REGISTRY
    (home / ".npmrc").write_text("fund=false\nregistry = https://home.example/npm/\n")
    assert npm_registry() == "https://home.example/npm/"
    (project / ".npmrc").write_text("@scope:registry=https://x.example\nregistry=https://p.example")
    assert npm_registry() == "https://p.example"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://environment.example")
    assert npm_registry() == "https://environment.example"


def test_the_list_names_46_fonts_once_each():
    assert len(FONTS) == len(set(FONTS)) == 46
