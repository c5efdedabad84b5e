"""The command `hwr-hf push`: a folder in, a commit on the Hugging Face Hub and its address out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .hub import check_name, full_name, push
from .hub_files import folder_files, model_files

EXAMPLES = """\
examples:
  hwr-hf push runs/mine --repo user/name --dry-run         what would go, with sizes; no network
  hwr-hf push runs/mine --repo user/name --private
  hwr-hf push runs/mine/checkpoint-500 --repo user/name --revision trial
  hwr-hf push runs/mine --repo user/name --results results/mine.json
  hwr-hf push runs/space --repo user/demo --type space   # made by scripts/pack_space.py

A model's repository gets weights, processor, the code that reads without this package, a card, a
licence and the results; of a training's folder nothing else. Without README.md in the folder a card
is written from what its files know. Everything arrives as one commit: a connection that breaks
leaves the repository as it was, and the same command goes on. Log in first: hf auth login.

exit code: 0 pushed, or already there; 2 not pushed.
"""


def main(argv: Sequence[str]) -> int:
    """`hwr-hf push ...`: exit code 0.

    Raises:
        ValueError, OSError: The folder or the call does not do, or the Hub refuses; the message
            says how.
    """
    arguments = _parser().parse_args(argv)
    check_name(arguments.repo)
    repo_id = arguments.repo
    if "/" not in repo_id and not arguments.dry_run:
        repo_id = full_name(repo_id)
    if arguments.type == "model":
        license = _license(arguments.license)
        content = model_files(arguments.folder, repo_id, arguments.results, license)
    elif arguments.results or arguments.license:
        raise ValueError("--results and --license are options of a model. Leave them out.")
    else:
        content = folder_files(arguments.folder, arguments.type)
    for path, reason in content.left_out.items():
        print(f"left out: {path} ({reason})", file=sys.stderr)
    if arguments.dry_run:
        for path in content.files:
            print(f"{content.size(path) / 1e3:10,.1f} kB  {path}")
        print(f"{content.total_size / 1e3:10,.1f} kB  in {len(content.files)} files")
        return 0
    pushed = push(
        content,
        repo_id,
        private=arguments.private,
        revision=arguments.revision,
        message=arguments.message,
    )
    for path in pushed.deleted:
        print(f"deleted there: {path}", file=sys.stderr)
    state = f"{len(content.files)} files" if pushed.is_new else "already there"
    print(f"{pushed.url}  ({state}, commit {pushed.commit})")
    return 0


def _license(name: str | None) -> dict[str, str] | None:
    """A licence as a card's metadata has it: an id of the Hub, or "name=link" of another one."""
    if name is None:
        return None
    name, other, link = name.partition("=")
    if other:
        return {"license": "other", "license_name": name, "license_link": link}
    return {"license": name}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hwr-hf push",
        description="Upload a model, or a Space or a data set, to the Hugging Face Hub.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folder", metavar="FOLDER", help="a model's folder, a training's, or a checkpoint of one")
    add("--repo", required=True, metavar="USER/NAME", help="where to; made if it is not there")
    add("--private", action="store_true", help="make the repository private")
    add("--revision", metavar="BRANCH", help="made if it is not there (main)")
    add("--dry-run", action="store_true", help="list files and sizes, touch no network")
    add(
        "--type",
        choices=["model", "space", "dataset"],
        default="model",
        help="what the folder holds (%(default)s)",
    )
    add(
        "--results",
        nargs="+",
        default=[],
        metavar="PATH",
        help="reports of `hwr-hf evaluate` on these weights, or folders of them",
    )
    add(
        "--license",
        metavar="ID",
        help="for a card that is made: an id of the Hub, or NAME=LINK (IAM's terms, or unknown for "
        "weights trained from scratch on your own images alone)",
    )
    add("--message", metavar="TEXT", help="of the commit")
    return parser
