"""A stand-in for the Hugging Face Hub on this machine's loopback, in memory, for the tests.

It speaks the part of the Hub's HTTP that huggingface_hub, transformers and datasets use to create,
commit, list and download, with access tokens and git-LFS, and fails on demand:

    with HubServer() as hub:
        hub.fail(Fault("GET", "resolve/.*safetensors", "cut"))
        HfApi(hub.endpoint, token=hub.token).create_repo("user/name")
"""

import base64
import hashlib
import json
import re
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import transformers
import yaml
from huggingface_hub import constants

USER = "user"
WRITE_TOKEN, READ_TOKEN = "hf_write", "hf_read"
LFS_SUFFIXES = (".safetensors", ".parquet", ".png", ".bin", ".pt")  # as in the Hub's .gitattributes
DATE = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class StoredFile:
    """A file of a commit."""

    content: bytes
    is_lfs: bool

    @property
    def oid(self) -> str:
        """Git's id of the file, or the sha256 that stands for it in git-LFS."""
        if self.is_lfs:
            return hashlib.sha256(self.content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    def description(self, path: str) -> dict:
        """As the Hub lists it."""
        about = {"type": "file", "path": path, "size": len(self.content), "oid": self.oid}
        if self.is_lfs:
            about["lfs"] = {"oid": self.oid, "size": len(self.content), "pointerSize": 130}
        return about


@dataclass
class Repository:
    """A repository: its commits, and the branches that point to them."""

    private: bool = False
    sdk: str | None = None
    commits: dict[str, dict[str, StoredFile]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.commit("main", {}, "initial commit")

    def commit(self, branch: str, files: dict[str, StoredFile], message: str) -> str:
        """Adds a commit and returns its id."""
        self.messages.append(message)
        oid = hashlib.sha1(f"{id(self)} {len(self.messages)}".encode()).hexdigest()
        self.commits[oid] = files
        self.branches[branch] = oid
        return oid

    def find(self, revision: str) -> str | None:
        """The commit that a branch or an id means."""
        revision = revision.removeprefix("refs/heads/")
        return self.branches.get(revision, revision if revision in self.commits else None)

    def files(self, revision: str = "main") -> dict[str, bytes]:
        """Content by path."""
        return {path: file.content for path, file in self.commits[self.find(revision)].items()}


@dataclass
class Fault:
    """What goes wrong with the next `times` requests of a method whose path matches.

    `action` is a status to answer with; "cut", the connection breaks in the middle of the file;
    "truncate", half of the file comes as if it were all of it; or "lose answer", the request is
    carried out and the connection breaks before a byte of the answer.
    """

    method: str
    path: str
    action: int | str
    times: int = 1
    headers: dict = field(default_factory=dict)


class HubError(Exception):
    """An answer other than 200, as the Hub words it."""

    def __init__(self, status: int, message: str, code: str | None = None):
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class HubServer:
    """The server; `endpoint` is its address, `repositories` what it holds, by (type, id)."""

    def __init__(self):
        self.token = WRITE_TOKEN
        self.lock = threading.RLock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.reset()

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def reset(self) -> None:
        """Forgets everything."""
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.lfs_objects: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []  # "METHOD path", as they came

    def replace_hub(self, patch) -> None:
        """Makes this process take the stand-in for the Hub, by a pytest.MonkeyPatch.

        huggingface_hub reads HF_ENDPOINT when it is imported, which is long past.
        """
        address = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", self.endpoint + address)
        patch.setattr(constants, "ENDPOINT", self.endpoint)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the stand-in speaks git-LFS
        patch.setenv("HF_TOKEN", self.token)
        # transformers keeps a client that was made for the endpoint of before.
        patch.setattr(transformers.utils.hub, "_hf_api", None, raising=False)

    def fail(self, *faults: Fault) -> None:
        self.faults += faults

    def repository(self, repo_id: str, repo_type: str = "model") -> Repository:
        return self.repositories[repo_type, repo_id]

    def take_fault(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, used up by one."""
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.hub = hub
    return Handler


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, *_):
        """Nothing on standard error."""

    def _handle(self) -> None:
        url = urlsplit(self.path)
        self.route, self.query = unquote(url.path), parse_qs(url.query)
        self.hub.requests.append(f"{self.command} {self.route}")
        self.fault = self.hub.take_fault(self.command, self.route)
        action = self.fault.action if self.fault else None
        if action == "cut" and self.command != "GET":
            self.rfile.read(int(self.headers.get("Content-Length", 0)) // 2)
            self._break()
            return
        body = self._body()
        try:
            if isinstance(action, int):
                raise HubError(action, "The server is told to fail.")
            with self.hub.lock:
                self._dispatch(body)
        except HubError as error:
            headers = {"X-Error-Message": error.message}
            if error.code:
                headers["X-Error-Code"] = error.code
            if self.fault:
                headers |= self.fault.headers
            self._json({"error": error.message}, error.status, headers)

    do_GET = do_HEAD = do_POST = do_PUT = _handle

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _dispatch(self, body: bytes) -> None:
        for method, pattern, answer in ROUTES:
            match = re.fullmatch(pattern, self.route)
            if match and self.command in method.split():
                found = {name: part for name, part in match.groupdict().items() if part}
                answer(self, body, **found)
                return
        raise HubError(404, f"No such address: {self.command} {self.route}")

    def _send(self, content: bytes, status: int = 200, headers: dict | None = None) -> None:
        action = self.fault.action if self.fault else None
        if action == "lose answer":
            self._break()
            return
        if action == "truncate":
            content = content[: len(content) // 2]
        self.send_response(status)
        for name, value in ({"Content-Length": len(content)} | (headers or {})).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "HEAD":
            return
        if action == "cut":
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self._break()
        else:
            self.wfile.write(content)

    def _json(self, content, status: int = 200, headers: dict | None = None) -> None:
        headers = {"Content-Type": "application/json"} | (headers or {})
        self._send(json.dumps(content).encode(), status, headers)

    def _break(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _may_write(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {WRITE_TOKEN}"

    def _known(self) -> bool:
        return self._may_write() or self.headers.get("Authorization") == f"Bearer {READ_TOKEN}"

    def _repository(self, repo_type: str, repo_id: str) -> Repository:
        repository = self.hub.repositories.get((repo_type, repo_id))
        if repository is None or (repository.private and not self._known()):
            raise HubError(404 if self._known() else 401, "Repository not found", "RepoNotFound")
        return repository

    def _writable(self, repo_type: str, repo_id: str) -> Repository:
        repository = self._repository(repo_type, repo_id)
        if not self._may_write() or not repo_id.startswith(f"{USER}/"):
            raise HubError(403, "You don't have the rights to write to this repository")
        return repository

    def _revision(self, repository: Repository, revision: str) -> str:
        oid = repository.find(revision)
        if oid is None:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return oid

    # Accounts and repositories

    def whoami(self, _) -> None:
        if not self._known():
            raise HubError(401, "Invalid credentials in Authorization header")
        role = "write" if self._may_write() else "read"
        token = {"type": "access_token", "accessToken": {"displayName": "test", "role": role}}
        self._json({"type": "user", "name": USER, "orgs": [], "auth": token})

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        repo_type = asked.get("type") or "model"
        repo_id = f"{asked.get('organization') or USER}/{asked['name']}"
        if not self._known():
            raise HubError(401, "Invalid username or password.")
        if not self._may_write() or not repo_id.startswith(f"{USER}/"):
            raise HubError(403, f"You don't have the rights to create {repo_id}")
        url = f"{self.hub.endpoint}/{_prefix(repo_type)}{repo_id}"
        if (repo_type, repo_id) in self.hub.repositories:
            self._json({"error": "You already created this repo", "url": url}, 409)
            return
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.repositories[repo_type, repo_id] = Repository(private, asked.get("sdk"))
        self._json({"url": url, "name": repo_id, "id": repo_id})

    def info(self, _, repo_type: str, repo_id: str, revision: str = "main") -> None:
        repository = self._repository(repo_type, repo_id)
        oid = self._revision(repository, revision)
        siblings = [{"rfilename": path} for path in repository.commits[oid]]
        about = {"id": repo_id, "modelId": repo_id, "sha": oid, "private": repository.private}
        about |= {"siblings": siblings, "tags": [], "downloads": 0, "likes": 0, "gated": False}
        self._json(about | {"sdk": repository.sdk, "lastModified": DATE, "disabled": False})

    def refs(self, _, repo_type: str, repo_id: str) -> None:
        repository = self._repository(repo_type, repo_id)
        branches = [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": oid}
            for name, oid in repository.branches.items()
        ]
        self._json({"branches": branches, "tags": [], "converts": [], "pullRequests": []})

    def branch(self, _, repo_type: str, repo_id: str, revision: str) -> None:
        repository = self._writable(repo_type, repo_id)
        if revision in repository.branches:
            raise HubError(409, f"The branch {revision} already exists")
        repository.branches[revision] = repository.branches["main"]
        self._json({"success": True})

    # Listing and downloading

    def tree(self, _, repo_type: str, repo_id: str, revision: str, path: str = "") -> None:
        repository = self._repository(repo_type, repo_id)
        files = repository.commits[self._revision(repository, revision)]
        prefix = f"{path}/" if path else ""
        below = {name: file for name, file in files.items() if name.startswith(prefix)}
        if path and not below:
            raise HubError(404, f"{path} does not exist", "EntryNotFound")
        recursive = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        entries, folders = [], {}
        for name, file in below.items():
            parents = name.removeprefix(prefix).split("/")[:-1]
            for depth in range(1, len(parents) + 1):
                folder = prefix + "/".join(parents[:depth])
                folders[folder] = {"type": "directory", "path": folder, "size": 0, "oid": "0" * 40}
            if recursive or not parents:
                entries.append(file.description(name))
        if not recursive:
            folders = {p: f for p, f in folders.items() if "/" not in p.removeprefix(prefix)}
        self._json([*folders.values(), *entries])

    def paths_info(self, body: bytes, repo_type: str, repo_id: str, revision: str) -> None:
        repository = self._repository(repo_type, repo_id)
        files = repository.commits[self._revision(repository, revision)]
        if body.startswith(b"{"):
            paths = json.loads(body)["paths"]
        else:
            paths = parse_qs(body.decode())["paths"]
        infos = [files[path].description(path) for path in paths if path in files]
        infos += [
            {"type": "directory", "path": path, "oid": "0" * 40}
            for path in paths
            if any(name.startswith(f"{path.rstrip('/')}/") for name in files)
        ]
        self._json(infos)

    def resolve(self, _, repo_id: str, revision: str, path: str, repo_type: str = "models") -> None:
        repository = self._repository(repo_type.removesuffix("s"), repo_id)
        oid = self._revision(repository, revision)
        file = repository.commits[oid].get(path)
        headers = {"X-Repo-Commit": oid}
        if file is None:
            headers |= {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            self._json({"error": "Entry not found"}, 404, headers)
            return
        content, status = file.content, 200
        headers |= {"ETag": f'"{file.oid}"', "Accept-Ranges": "bytes"}
        if file.is_lfs:
            headers |= {"X-Linked-ETag": f'"{file.oid}"', "X-Linked-Size": len(content)}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted:
            start, end = int(wanted[1]), int(wanted[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            content, status = content[start : end + 1], 206
        self._send(content, status, headers)

    # Uploading

    def validate_yaml(self, body: bytes) -> None:
        """Of the Hub's rules those that our cards have to keep."""
        asked = json.loads(body)
        block = re.match(r"---\r?\n(.*?)\r?\n---", asked["content"], flags=re.S)
        errors = []
        try:
            metadata = yaml.safe_load(block[1]) if block else {}
        except yaml.YAMLError as error:
            errors.append(str(error))
        else:
            errors += _metadata_errors(metadata, asked.get("repoType") or "model")
        messages = [{"message": message} for message in errors]
        self._json({"errors": messages, "warnings": []}, 400 if errors else 200)

    def preupload(self, body: bytes, repo_type: str, repo_id: str, revision: str) -> None:
        repository = self._writable(repo_type, repo_id)
        files = repository.commits[self._revision(repository, revision)]
        modes = []
        for asked in json.loads(body)["files"]:
            path = asked["path"]
            mode = "lfs" if path.endswith(LFS_SUFFIXES) else "regular"
            oid = files[path].oid if path in files else None
            modes.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._json({"files": modes})

    def lfs_batch(self, body: bytes, repo_id: str, repo_type: str = "models") -> None:
        self._writable(repo_type.removesuffix("s"), repo_id)
        objects = []
        for asked in json.loads(body)["objects"]:
            if asked["oid"] not in self.hub.lfs_objects:
                href = f"{self.hub.endpoint}/lfs/{asked['oid']}"
                verify = {"href": f"{self.hub.endpoint}/{repo_id}/lfs-verify", "header": {}}
                asked["actions"] = {"upload": {"href": href, "header": {}}, "verify": verify}
            objects.append(asked)
        self._json({"transfer": "basic", "objects": objects})

    def lfs_put(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            raise HubError(400, "The content has another sha256")
        self.hub.lfs_objects[oid] = body
        self._send(b"")

    def lfs_verify(self, body: bytes, repo_id: str) -> None:
        asked = json.loads(body)
        if len(self.hub.lfs_objects.get(asked["oid"], b"")) != asked["size"]:
            raise HubError(400, "The object was not received")
        self._json({})

    def commit(self, body: bytes, repo_type: str, repo_id: str, revision: str) -> None:
        repository = self._writable(repo_type, repo_id)
        if revision not in repository.branches:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        files = dict(repository.commits[repository.branches[revision]])
        message = ""
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            message = OPERATIONS[operation["key"]](self.hub, files, value) or message
        oid = repository.commit(revision, files, message)
        url = f"{self.hub.endpoint}/{_prefix(repo_type)}{repo_id}/commit/{oid}"
        self._json({"commitUrl": url, "commitOid": oid, "success": True})


def _prefix(repo_type: str) -> str:
    return "" if repo_type == "model" else f"{repo_type}s/"


def _metadata_errors(metadata: dict, repo_type: str) -> list[str]:
    if not isinstance(metadata, dict):
        return ["The metadata is no mapping"]
    errors = []
    if repo_type == "model":
        if metadata.get("license") == "other" and not metadata.get("license_name"):
            errors.append('"license_name" is required when "license" is "other"')
        for model in metadata.get("model-index") or []:
            for result in model["results"]:
                for name in ("task", "dataset", "metrics"):
                    if name not in result:
                        errors.append(f'"model-index[].results[].{name}" is required')
    if repo_type == "space" and metadata.get("sdk") not in ("gradio", "docker", "static"):
        errors.append('"sdk" must be one of gradio, docker, static')
    datasets = metadata.get("datasets", [])
    if not all(re.fullmatch(r"[\w.-]+(/[\w.-]+)?", str(name)) for name in datasets):
        errors.append('"datasets" must be ids of datasets')
    return errors


def _header(hub: HubServer, files: dict, value: dict) -> str:
    return value["summary"]


def _add_file(hub: HubServer, files: dict, value: dict) -> None:
    files[value["path"]] = StoredFile(base64.b64decode(value["content"]), is_lfs=False)


def _add_lfs_file(hub: HubServer, files: dict, value: dict) -> None:
    if value["oid"] not in hub.lfs_objects:
        raise HubError(400, f"The LFS object of {value['path']} was never uploaded")
    files[value["path"]] = StoredFile(hub.lfs_objects[value["oid"]], is_lfs=True)


def _delete_file(hub: HubServer, files: dict, value: dict) -> None:
    if value["path"] not in files:
        raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
    del files[value["path"]]


OPERATIONS = {
    "header": _header,
    "file": _add_file,
    "lfsFile": _add_lfs_file,
    "deletedFile": _delete_file,
}
REPO = r"/api/(?P<repo_type>model|dataset|space)s/(?P<repo_id>[\w.-]+/[\w.-]+)"
URL = r"(?:/(?P<repo_type>datasets|spaces))?/(?P<repo_id>[\w.-]+/[\w.-]+?)"
REVISION = r"(?P<revision>refs/[\w-]+/[\w.-]+|[\w.-]+)"
ROUTES = [
    ("GET", "/api/whoami-v2", _Handler.whoami),
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/validate-yaml", _Handler.validate_yaml),
    ("GET", REPO, _Handler.info),
    ("GET", f"{REPO}/revision/{REVISION}", _Handler.info),
    ("GET", f"{REPO}/refs", _Handler.refs),
    ("GET", f"{REPO}/tree/{REVISION}(?:/(?P<path>.*))?", _Handler.tree),
    ("POST", f"{REPO}/paths-info/{REVISION}", _Handler.paths_info),
    ("POST", f"{REPO}/branch/(?P<revision>.+)", _Handler.branch),
    ("POST", f"{REPO}/preupload/(?P<revision>.+)", _Handler.preupload),
    ("POST", f"{REPO}/commit/(?P<revision>.+)", _Handler.commit),
    ("POST", rf"{URL}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", _Handler.lfs_put),
    ("POST", r"/(?P<repo_id>[\w.-]+/[\w.-]+)/lfs-verify", _Handler.lfs_verify),
    ("GET HEAD", f"{URL}/resolve/{REVISION}/(?P<path>.+)", _Handler.resolve),
]
