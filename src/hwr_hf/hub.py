"""Pushes models, Spaces and data sets to the Hugging Face Hub, each as one commit or not at all.

In: a folder and the name of a repository. Out: the repository with the folder's content. Large
files are uploaded first and come to light only with the commit, so a connection that breaks leaves
the repository as it was; the same call goes on, and changes nothing when nothing has changed.
Errors are Python's own, `PermissionError`, `ConnectionError` and `ValueError`, and say what to do.
"""

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from . import __version__
from .generated_card import GENERATED_MARK
from .hub_files import CARD, RepositoryFiles, goes_stale, model_files
from .resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
from .weights_files import file_sha256

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

WAITS = (1, 4, 16)  # seconds before the next attempt, after a failure that may pass
LONGEST_WAIT = 120  # however long the Hub asks to wait
MAY_PASS = (408, 409, 429, 500, 502, 503, 504)
MAIN = "main"
PATHS_AT_ONCE = 1000  # in a request


@dataclass(frozen=True)
class Pushed:
    """What a push has done.

    Attributes:
        url: Of the repository.
        repo_id: `user/name`.
        commit: Id of the commit that holds the files.
        is_new: False where the repository had them already, and no commit was made.
        deleted: Paths that the commit took away.
    """

    url: str
    repo_id: str
    commit: str
    is_new: bool
    deleted: tuple[str, ...] = ()


def push_model(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    results: Sequence[str | Path] = (),
    license: dict[str, str] | None = None,
    message: str | None = None,
    token: str | None = None,
) -> Pushed:
    """Upload a recogniser: weights, processor, code, card, results, licence, in one commit.

    Args:
        folder: A model's folder, a training's, or a checkpoint of one.
        repo_id: `user/name`, or `name` for a repository of the token's owner. Made if it is not
            there.
        private: Make it private.
        revision: Branch to push to, made if it is not there; `main` if None.
        results: Further reports of `hwr-hf evaluate` on these weights, or folders of them.
        license: For a generated card, see `model_files`.
        message: Of the commit.
        token: With the right to write; the one logged in with if None.

    Returns:
        Where the model is now.

    Raises:
        ValueError: The folder is no complete model, or the name is taken or not allowed.
        PermissionError: There is no token, or it may not write there.
        ConnectionError: The Hub could not be reached; the message says whether anything was
            published.
    """
    check_name(repo_id)
    if "/" not in repo_id:
        repo_id = full_name(repo_id, token)  # the card says it
    return push(
        model_files(folder, repo_id, results, license),
        repo_id,
        private=private,
        revision=revision,
        message=message,
        token=token,
    )


def push(
    content: RepositoryFiles,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    token: str | None = None,
) -> Pushed:
    """Upload files as one commit, and check that the Hub has them as they are here.

    A card that was written on the Hub is not replaced by a generated one. Weights, code and results
    of an earlier push that are not among the files go with the same commit.

    Args:
        content: From `model_files` or `folder_files`.
        repo_id: As for `push_model`, and so are the others.

    Raises:
        ValueError, PermissionError, ConnectionError: As for `push_model`.
    """
    repo_id = full_name(repo_id, token)
    api = HfApi(token=token, library_name="hwr_hf", library_version=__version__)
    target = _Target(api, repo_id, content.kind, revision or MAIN)
    message = message or f"Upload {content.kind} with hwr_hf {__version__}"
    return _repeated(lambda: target.push(content, private, message), target)


def check_name(repo_id: str) -> None:
    """Raises a ValueError unless the Hub allows this name."""
    validate_repo_id(repo_id)


def full_name(repo_id: str, token: str | None = None) -> str:
    """`user/name`, with the name of the token's owner where `repo_id` is a name alone.

    The token is checked in any case.

    Raises:
        ValueError, PermissionError, ConnectionError: As for `push_model`.
    """
    check_name(repo_id)
    api = HfApi(token=token)
    owner = _repeated(lambda: api.whoami()["name"], _Target(api, repo_id, "model", MAIN))
    return repo_id if "/" in repo_id else f"{owner}/{repo_id}"


class DamagedUploadError(ConnectionError):
    """A file on the Hub is not the one that was sent."""


@dataclass
class _Target:
    """A branch of a repository, the way to it, and how far a push to it has come.

    Attributes:
        before: Commit that the branch pointed to when the push began.
        is_asked: Whether the Hub was asked to commit, whatever came of it.
        commit: The one that holds the files, once the Hub has named it.
        sent: The files in it.
        deleted: Paths that a commit was asked to take away; its answer may have been lost.
    """

    api: HfApi
    repo_id: str
    kind: str
    branch: str
    before: str | None = None
    is_asked: bool = False
    commit: str | None = None
    sent: dict[str, Path | bytes] = field(default_factory=dict)
    deleted: dict[str, None] = field(default_factory=dict)

    def push(self, content: RepositoryFiles, private: bool, message: str) -> Pushed:
        """One attempt, which goes on from the one before; every step may be repeated."""
        url = self._create(private, content.sdk)
        self.before = self.before or self._head()
        if self.commit is None:
            self.commit = self._make_commit(content, message)
        self._check_arrived(self.sent, self.commit)
        is_new = self.commit != self.before
        return Pushed(url, self.repo_id, self.commit, is_new, tuple(self.deleted))

    def outcome(self) -> str:
        """What a push that broke off has left on the Hub."""
        if self.commit is not None:
            there = f"The files are in {self.repo_id} as commit {self.commit}"
            there += f", which deleted {', '.join(self.deleted)}" if self.deleted else ""
            return f"{there}, but could not be checked."
        if self.is_asked and not self._is_as_before():
            return f"Whether the files are in {self.repo_id} is not known."
        return f"Nothing was published: {self.repo_id} is as it was."

    def _is_as_before(self) -> bool:
        """Whether the Hub says that the branch is where it was; not if it does not answer."""
        try:
            return self._head() == self.before
        except _FAILURES:
            return False

    def _make_commit(self, content: RepositoryFiles, message: str) -> str:
        """Commits what is not there yet, without what goes stale; returns the commit's id."""
        remote = self.api.list_repo_files(self.repo_id, repo_type=self.kind, revision=self.branch)
        self.sent = dict(content.files)
        stale: list[str] = []
        if self.kind == "model":
            self._check_same_kind(remote)
            if CARD in remote and self._keeps_card(self.sent[CARD]):
                del self.sent[CARD]
            stale = [path for path in remote if path not in self.sent and goes_stale(path)]
        adds = [CommitOperationAdd(path, _as_given(where)) for path, where in self.sent.items()]
        self.deleted |= dict.fromkeys(stale)
        was_asked, self.is_asked = self.is_asked, True
        try:
            return self.api.create_commit(
                self.repo_id,
                [*adds, *map(CommitOperationDelete, stale)],
                commit_message=message,
                repo_type=self.kind,
                revision=self.branch,
            ).oid
        except _FAILURES as error:
            self.is_asked = was_asked or not _broke_before_commit(error)
            raise

    def _create(self, private: bool, sdk: str | None) -> str:
        """Makes repository and branch where they are not there; returns the address."""
        url = self.api.create_repo(
            self.repo_id,
            repo_type=self.kind,
            private=private or None,
            exist_ok=True,
            space_sdk=sdk if self.kind == "space" else None,
        )
        if private and not self.api.repo_info(self.repo_id, repo_type=self.kind).private:
            raise ValueError(
                f"{self.repo_id} is there already and is public. Make it private in its settings "
                "first, choose another name, or leave out private."
            )
        if self.branch != MAIN and not self.branch.startswith("refs/"):
            self.api.create_branch(
                self.repo_id, branch=self.branch, repo_type=self.kind, exist_ok=True
            )
        return str(url)

    def _head(self) -> str:
        info = self.api.repo_info(self.repo_id, repo_type=self.kind, revision=self.branch)
        return info.sha

    def _check_same_kind(self, remote: list[str]) -> None:
        """A name that another model has is taken, even if it is the owner's own."""
        if "config.json" not in remote:
            return
        model_type = json.loads(self._read("config.json")).get("model_type")
        if model_type != ResNetBiLstmConfig.model_type:
            raise ValueError(
                f"The name {self.repo_id} is taken: a model of the type {model_type!r} is there. "
                "Choose another name, or delete that repository on the Hub."
            )

    def _keeps_card(self, card: Path | bytes) -> bool:
        """Whether the Hub's card was written by hand and ours was not."""
        if GENERATED_MARK not in _bytes(card).decode():
            return False
        keeps = GENERATED_MARK not in self._read(CARD)
        if keeps:
            logger.warning("The card of %s was written by hand and stays.", self.repo_id)
        return keeps

    def _read(self, path: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            file = self.api.hf_hub_download(
                self.repo_id,
                path,
                repo_type=self.kind,
                revision=self.branch,
                local_dir=folder,
            )
            return Path(file).read_text(encoding="utf-8")

    def _check_arrived(self, files: dict[str, Path | bytes], commit: str) -> None:
        """Compares what the Hub has with what was sent, by hash."""
        paths, there = list(files), {}
        for start in range(0, len(paths), PATHS_AT_ONCE):
            some = paths[start : start + PATHS_AT_ONCE]
            infos = self.api.get_paths_info(
                self.repo_id, some, repo_type=self.kind, revision=commit
            )
            there |= {info.path: info for info in infos}
        for path, where in files.items():
            info = there.get(path)
            if info is None:
                arrived = False
            elif info.lfs:
                arrived = info.lfs.sha256 == _sha256(where)
            else:
                arrived = info.blob_id == _git_hash(_bytes(where))
            if not arrived:
                raise DamagedUploadError(
                    f"{path} did not arrive in {self.repo_id} as it is here. Push again; until "
                    f"then do not use its commit {commit}."
                )


def _as_given(where: Path | bytes) -> str | bytes:
    return where if isinstance(where, bytes) else str(where)


def _bytes(where: Path | bytes) -> bytes:
    return where if isinstance(where, bytes) else where.read_bytes()


def _sha256(where: Path | bytes) -> str:
    return hashlib.sha256(where).hexdigest() if isinstance(where, bytes) else file_sha256(where)


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


# huggingface_hub's client raises its own classes where no answer came; which library it is changes
# with its version, and their common base class is that of its HTTP errors.
_HTTP_ERRORS = tuple(base for base in HfHubHTTPError.__mro__[1:] if base.__name__ == "HTTPError")
_FAILURES = (HfHubHTTPError, OSError, RuntimeError, json.JSONDecodeError, *_HTTP_ERRORS)


def _repeated(call: Callable[[], Result], target: "_Target") -> Result:
    """The call's result; a failure that may pass is waited for, another one is explained."""
    for wait in (*WAITS, None):
        try:
            return call()
        except _FAILURES as error:
            if wait is None or not _may_pass(error):
                explained = _explained(error, target)
                raise explained from (None if explained is error else error)
            wait = max(wait, min(_asked_wait(error), LONGEST_WAIT))
            reason = " ".join(str(error).split())[:200]
            logger.warning("%s. Trying again in %d s.", reason, wait)
            time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def _causes(error: BaseException | None) -> list[BaseException]:
    """An error and those that it comes from."""
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def _status(error: BaseException) -> int | None:
    """The Hub's status code behind an error."""
    answers = [cause for cause in _causes(error) if isinstance(cause, HfHubHTTPError)]
    return answers[0].response.status_code if answers else None


def _got_no_answer(error: BaseException) -> bool:
    # What uploads files in the background raises a plain RuntimeError.
    lost = (ConnectionError, TimeoutError, RuntimeError, json.JSONDecodeError, *_HTTP_ERRORS)
    return any(isinstance(cause, lost) for cause in _causes(error)) and _status(error) is None


def _broke_before_commit(error: BaseException) -> bool:
    """Whether it was the upload of files that failed, which comes before the request to commit."""
    return any(
        "/commit/" not in str(cause.response.url)
        if isinstance(cause, HfHubHTTPError)
        else isinstance(cause, RuntimeError)
        for cause in _causes(error)
    )


def _may_pass(error: BaseException) -> bool:
    final = (OfflineModeIsEnabled, DamagedUploadError, PermissionError)
    if any(isinstance(cause, final) for cause in _causes(error)):
        return False
    return _status(error) in MAY_PASS or _got_no_answer(error)


def _asked_wait(error: BaseException) -> int:
    """Seconds that the Hub asked to wait for."""
    for cause in _causes(error):
        if isinstance(cause, HfHubHTTPError):
            asked = cause.response.headers.get("Retry-After", "")
            return int(asked) if asked.isdecimal() else 0
    return 0


def _explained(error: BaseException, target: _Target) -> BaseException:
    """The same error in words that say what to do."""
    status = _status(error)
    causes = _causes(error)
    answer = next((c.server_message for c in causes if isinstance(c, HfHubHTTPError)), None)
    said = f' The Hub says: "{answer}".' if answer else ""
    if any(isinstance(cause, LocalTokenNotFoundError) for cause in causes):
        return PermissionError(
            "There is no token of the Hugging Face Hub on this machine. Make one with the right to "
            "write at https://huggingface.co/settings/tokens, then run `hf auth login` or set "
            "HF_TOKEN."
        )
    if any(isinstance(cause, OfflineModeIsEnabled) for cause in causes):
        return ConnectionError("HF_HUB_OFFLINE is set, which forbids to push. Unset it.")
    if status == 401:
        return PermissionError(
            "The Hub does not know the token. Run `hf auth login` with a valid one, or set "
            "HF_TOKEN to it; tokens are made at https://huggingface.co/settings/tokens."
        )
    if status == 403:
        return PermissionError(
            f"The token may not write to {target.repo_id}.{said} The name belongs to somebody "
            "else, or the token may only read: choose a name of your own account, or make a token "
            "with the right to write."
        )
    if isinstance(error, RevisionNotFoundError):
        return ValueError(f"{target.repo_id} has no branch {target.branch}. Check the revision.")
    if _may_pass(error):
        what = "could not be reached" if status is None else f"answered with the error {status}"
        return ConnectionError(
            f"The Hub ({target.api.endpoint}) {what}, also when asked again.{said} "
            f"{target.outcome()} Run the same command again later; files that have arrived are not "
            "sent twice."
        )
    if status is not None:
        return ValueError(f"The Hub refused {target.repo_id} with the error {status}.{said}")
    return error
