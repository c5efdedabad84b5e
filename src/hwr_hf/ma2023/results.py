"""Result files of the study: one JSON a run, complete or not there at all.

A file holds numbers only: rates, intervals, and edits summed by writer, from which runs are
compared. No text and no image of IAM.
"""

import json
import logging
from pathlib import Path

logger = logging.getLogger(__name__)


def read_result(path: Path, settings: dict) -> dict | None:
    """A complete result made with these settings; None if there is none, or only half of one.

    Raises:
        ValueError: The result was made with other settings.
    """
    if not path.is_file():
        return None
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        found = result["settings"]
        result["tests"]
    except (ValueError, KeyError, TypeError):
        logger.warning("%s is half-written and will be made again.", path)
        return None
    # As JSON knows them: a tuple that was written comes back as a list
    wanted = json.loads(json.dumps(settings))
    different = [name for name in wanted | found if wanted.get(name) != found.get(name)]
    if different:
        name = different[0]
        raise ValueError(
            f"{path} was made with {name} = {found.get(name)!r}, not {wanted.get(name)!r}. Give "
            "another --output and --runs for this study, or --restart to replace the old one."
        )
    return result
