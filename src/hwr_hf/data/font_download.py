"""Open-licensed handwriting fonts, fetched from their npm packages `@fontsource/NAME`.

In: names of fonts. Out: a folder with `NAME.woff2` (Latin, regular) and `NAME.LICENSE` of each. The
packages come from the npm registry or the mirror that npm itself would use, and each is checked
against the hash in the registry's metadata (W3C Subresource Integrity).
Registry API: https://github.com/npm/registry/blob/main/docs/REGISTRY-API.md
"""

import base64
import hashlib
import io
import json
import os
import re
import tarfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from hwr_hf.json_files import complete_file

# SIL Open Font License 1.1, but Apache-2.0 for homemade-apple, satisfy, schoolbell and yellowtail.
EVERYDAY_FONTS = (
    "annie-use-your-telescope",
    "architects-daughter",
    "bad-script",
    "caveat",
    "covered-by-your-grace",
    "gaegu",
    "gloria-hallelujah",
    "gochi-hand",
    "handlee",
    "indie-flower",
    "kalam",
    "licorice",
    "mansalva",
    "marck-script",
    "nanum-brush-script",
    "nanum-pen-script",
    "neucha",
    "oooh-baby",
    "patrick-hand",
    "reenie-beanie",
    "schoolbell",
    "shadows-into-light",
    "short-stack",
    "sue-ellen-francisco",
    "swanky-and-moo-moo",
    "the-girl-next-door",
    "vibur",
    "zen-kurenaido",
)
JOINED_FONTS = (
    "alex-brush",
    "allura",
    "cedarville-cursive",
    "dancing-script",
    "herr-von-muellerhoff",
    "homemade-apple",
    "italianno",
    "mr-de-haviland",
    "parisienne",
    "sacramento",
    "satisfy",
    "whisper",
    "yellowtail",
)
MARKER_FONTS = ("caveat-brush", "delicious-handrawn", "delius", "playpen-sans", "shantell-sans")
FONTS = (*EVERYDAY_FONTS, *JOINED_FONTS, *MARKER_FONTS)

VERSION = "5.3.0"  # of all the packages: a later one may draw its letters otherwise
NPM_REGISTRY = "https://registry.npmjs.org"
TIMEOUT = 30  # seconds


def download_fonts(
    output_dir: str | Path, names: Sequence[str] = FONTS, registry: str | None = None
) -> list[Path]:
    """Put the fonts and their licences into a folder; those already there are not fetched again.

    Args:
        output_dir: Made if it does not exist.
        names: Fonts as their packages are called: `caveat` for `@fontsource/caveat`.
        registry: Address of the registry; by default `npm_registry()`.

    Returns:
        The fonts' paths, in the order of `names`.

    Raises:
        ValueError: The registry has no such font, or the package lacks a file.
        OSError: The registry cannot be reached, a package arrives damaged, or the folder cannot be
            written.
    """
    for name in names:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            raise ValueError(
                f"{name!r} is no font name. Needed is the package's, such as 'caveat': small "
                "letters, digits and hyphens."
            )
    registry = (registry or npm_registry()).rstrip("/")
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    for name in tqdm(names, desc="Fonts", unit="font"):
        font, licence = folder / f"{name}.woff2", folder / f"{name}.LICENSE"
        if font.exists() and licence.exists():
            continue
        package = _package(name, registry)
        _write(licence, _member(package, "package/LICENSE", name))
        _write(font, _member(package, f"package/files/{name}-latin-400-normal.woff2", name))
    return [folder / f"{name}.woff2" for name in names]


def npm_registry() -> str:
    """The registry that npm would use.

    In npm's order: the environment's `npm_config_registry` in small or capital letters, `.npmrc` in
    the current folder and in the home folder, npm's own registry.
    """
    for variable, value in os.environ.items():
        if variable.lower() == "npm_config_registry" and value:
            return value
    for folder in (Path.cwd(), Path.home()):
        config = folder / ".npmrc"
        if config.is_file():
            found = re.search(r"^\s*registry\s*=\s*(\S+)", config.read_text(errors="replace"), re.M)
            if found:
                return found.group(1).strip("\"'")
    return NPM_REGISTRY


def _package(name: str, registry: str) -> bytes:
    """The package's gzipped tar archive, checked against its hash."""
    address = f"{registry}/@fontsource/{name}/{VERSION}"
    try:
        distribution = json.loads(_fetch(address))["dist"]
        tarball, integrity = distribution["tarball"], distribution["integrity"]
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        raise ValueError(
            f"{registry} has no package @fontsource/{name} {VERSION}. Fonts are called as at "
            "https://fontsource.org, for example 'caveat' or 'patrick-hand'."
        ) from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise OSError(
            f"{address} answers with no npm metadata ({error!r}). Name another registry in the "
            "environment variable npm_config_registry."
        ) from error
    # A mirror may pass on metadata that points to the original; as npm does, stay with the mirror.
    package = _fetch(tarball.replace(NPM_REGISTRY, registry, 1))
    algorithm, _, expected = integrity.split()[0].partition("-")
    if algorithm not in ("sha256", "sha384", "sha512"):
        raise OSError(f"{address} gives the hash {integrity!r}; needed is SHA-256, -384 or -512.")
    if hashlib.new(algorithm, package).digest() != base64.b64decode(expected):
        raise OSError(
            f"{tarball} arrived damaged: its {algorithm} is not {expected}. Try again, or use "
            "another registry."
        )
    return package


def _fetch(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise
        raise OSError(f"{address} answers {error.code} {error.reason}. Try again later.") from error
    except OSError as error:  # urllib's URLError is one, and so is a time-out
        raise ConnectionError(
            f"{address} cannot be reached ({error}). Check the network, or name a mirror in the "
            "environment variable npm_config_registry."
        ) from error


def _member(package: bytes, path: str, name: str) -> bytes:
    """Content of one file of the archive."""
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as archive:
        try:
            member = archive.extractfile(path)
        except KeyError:
            member = None
        if member is None:
            raise ValueError(
                f"The package @fontsource/{name} {VERSION} has no file {path}: it is no Latin font "
                "with a regular weight. Take another."
            )
        return member.read()


def _write(path: Path, content: bytes) -> None:
    """Write in one go: an interrupted download leaves no half file that would be skipped later."""
    with complete_file(path) as unfinished:
        unfinished.write_bytes(content)
