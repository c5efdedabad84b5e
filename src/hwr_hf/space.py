"""The folder of a Space, ready to be uploaded: the app, its own copy of the package, the samples.

In: a checkout of the project. Out: a folder in which `python app.py` serves the page, given what
`requirements.txt` names. What runs there is the folder's own copy of the package.
"""

import shutil
from pathlib import Path

CONTENTS = {
    "space": ".",  # README.md, app.py, requirements.txt
    "src/hwr_hf": "hwr_hf",
    "samples": "samples",
}
LICENSE = "LICENSE"


def pack_space(checkout: str | Path, output: str | Path) -> list[Path]:
    """Write the folder of a Space.

    Args:
        checkout: Folder of the project's repository.
        output: Folder to write; it must be new or empty, so that nothing old is published.

    Returns:
        The files written, relative to `output`, sorted.

    Raises:
        ValueError: `checkout` is no checkout of the project, or `output` holds something.
    """
    checkout, output = Path(checkout), Path(output)
    missing = [name for name in (*CONTENTS, LICENSE) if not (checkout / name).exists()]
    if missing:
        raise ValueError(
            f"{checkout} is no checkout of hwr_hf: {', '.join(missing)} is missing. "
            "Give the folder that holds setup.cfg."
        )
    if output.exists() and any(output.iterdir()):
        raise ValueError(f"{output} is not empty. Give a new folder, or empty this one.")
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for source, target in CONTENTS.items():
        shutil.copytree(checkout / source, output / target, ignore=ignore, dirs_exist_ok=True)
    shutil.copy(checkout / LICENSE, output)
    return sorted(path.relative_to(output) for path in output.rglob("*") if path.is_file())
