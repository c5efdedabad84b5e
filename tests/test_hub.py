"""What a push leaves on the Hub, also when the Hub or the way to it fails."""

import json
import shutil

import pytest
from hub_server import READ_TOKEN, WRITE_TOKEN, Fault, StoredFile

from hwr_hf.hub import DamagedUploadError, push, push_model
from hwr_hf.hub_files import folder_files

REPO = "user/reader"


@pytest.fixture
def folder(tiny_model_dir, tmp_path):
    """A copy of the tiny model's folder."""
    return shutil.copytree(tiny_model_dir, tmp_path / "model")


def num_commits(hub, repo_type="model", repo=REPO):
    """Commits after the one that makes the repository."""
    return len(hub.repository(repo, repo_type).messages) - 1


def test_a_model_arrives_as_one_commit_with_the_bytes_of_the_folder(hub, folder):
    pushed = push_model(folder, REPO, message="First weights")
    repository = hub.repository(REPO)
    assert repository.messages == ["initial commit", "First weights"]
    assert pushed.commit == repository.branches["main"]
    assert pushed.url == f"{hub.endpoint}/{REPO}"
    there = repository.files()
    for path in folder.iterdir():
        assert there[path.name] == path.read_bytes(), path.name
    assert there.keys() - {path.name for path in folder.iterdir()} == {"README.md", "LICENSE.md"}


def test_the_same_push_again_changes_nothing(hub, folder):
    first = push_model(folder, REPO)
    again = push_model(folder, REPO)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.commit == first.commit
    assert num_commits(hub) == 1


def test_changed_weights_are_one_more_commit(hub, folder, tiny_model_dir):
    push_model(folder, REPO)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dropout": 0.5}))
    assert push_model(folder, REPO).is_new
    assert num_commits(hub) == 2


def test_a_name_alone_is_of_the_tokens_owner(hub, folder):
    assert push_model(folder, "reader").repo_id == REPO
    assert num_commits(hub) == 1
    assert b'model="user/reader"' in hub.repository(REPO).files()["README.md"]


def test_private_and_revision_are_kept(hub, folder):
    push_model(folder, REPO, private=True, revision="trial")
    repository = hub.repository(REPO)
    assert repository.private
    assert "config.json" in repository.files("trial")
    assert "config.json" not in repository.files("main")
    push_model(folder, REPO, private=True, revision="trial")


def test_a_public_repository_is_not_taken_for_a_private_push(hub, folder):
    push_model(folder, REPO)
    with pytest.raises(ValueError, match="is there already and is public"):
        push_model(folder, REPO, private=True)


def test_what_belongs_to_other_weights_goes_with_the_same_commit(hub, folder):
    shards = {"model.safetensors.index.json": b"{}", "results/old.json": b"{}"}
    kept = {"notes.md": b"mine", "corrector/config.json": b"{}", "ngram.safetensors": b"0"}
    push_model(folder, REPO)
    repository = hub.repository(REPO)
    stored = repository.commits[repository.branches["main"]]
    more = {name: StoredFile(content, False) for name, content in (shards | kept).items()}
    repository.commit("main", stored | more, "by hand")
    pushed = push_model(folder, REPO)
    assert set(pushed.deleted) == set(shards)
    assert kept.keys() <= repository.files().keys()
    assert num_commits(hub) == 3


def test_a_card_that_was_written_on_the_hub_stays(hub, folder):
    push_model(folder, REPO)
    repository = hub.repository(REPO)
    stored = dict(repository.commits[repository.branches["main"]])
    stored["README.md"] = StoredFile(b"---\nlicense: mit\n---\nMy own words", is_lfs=False)
    repository.commit("main", stored, "by hand")
    push_model(folder, REPO)
    assert repository.files()["README.md"].endswith(b"My own words")


def test_a_card_of_the_folder_replaces_the_one_on_the_hub(hub, folder):
    push_model(folder, REPO)
    (folder / "README.md").write_text("---\nlicense: mit\n---\nThe folder's words\n")
    push_model(folder, REPO)
    assert hub.repository(REPO).files()["README.md"].endswith(b"The folder's words\n")


# What the caller has to set right


def test_without_a_token_it_says_how_to_get_one(hub, folder, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(PermissionError, match=r"no token.*hf auth login"):
        push_model(folder, REPO)
    assert hub.requests == []


def test_an_unknown_token_is_named_as_the_trouble(hub, folder):
    with pytest.raises(PermissionError, match="does not know the token"):
        push_model(folder, REPO, token="hf_wrong")
    assert hub.repositories == {}


@pytest.mark.parametrize(
    ("repo", "token"),
    [
        pytest.param("somebody/reader", WRITE_TOKEN, id="another-account"),
        pytest.param(REPO, READ_TOKEN, id="token-that-may-only-read"),
    ],
)
def test_where_the_token_may_not_write_nothing_is_made(hub, folder, repo, token):
    with pytest.raises(PermissionError, match=rf"may not write to {repo}\. The Hub says"):
        push_model(folder, repo, token=token)
    assert hub.repositories == {}


def test_a_repository_of_somebody_else_is_not_written_to(hub, folder):
    push_model(folder, REPO)
    hub.repositories["model", "somebody/reader"] = hub.repository(REPO)
    commits = num_commits(hub)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        push_model(folder, "somebody/reader")
    assert num_commits(hub) == commits


def test_a_name_that_another_model_has_is_taken(hub, folder):
    push_model(folder, REPO)
    repository = hub.repository(REPO)
    config = StoredFile(b'{"model_type": "bert"}', is_lfs=False)
    repository.commit("main", {"config.json": config}, "bert")
    with pytest.raises(ValueError, match=r"user/reader is taken: a model of the type 'bert'"):
        push_model(folder, REPO)
    assert repository.messages[-1] == "bert"


@pytest.mark.parametrize("name", ["user/name/more", "user/na me", "-user/name", ""])
def test_a_name_that_the_hub_does_not_allow_is_refused_before_any_request(hub, folder, name):
    with pytest.raises(ValueError):
        push_model(folder, name)
    assert hub.requests == []


def test_metadata_that_the_hub_refuses_is_an_error_before_the_weights_go(hub, folder):
    (folder / "README.md").write_text("---\nlicense: other\n---\n")
    with pytest.raises(ValueError, match='"license_name" is required'):
        push_model(folder, REPO)
    assert not any("PUT" in request for request in hub.requests)
    assert num_commits(hub) == 0


# What goes wrong on the way


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("GET", "whoami", 500), id="500-at-the-start"),
        pytest.param(Fault("POST", "repos/create", 503), id="503-on-creating"),
        pytest.param(Fault("POST", "validate-yaml", "cut"), id="cut-at-the-card"),
        pytest.param(Fault("POST", "preupload", 429, headers={"Retry-After": "1"}), id="429"),
        pytest.param(Fault("POST", "objects/batch", 500), id="500-before-the-weights"),
        pytest.param(Fault("PUT", "/lfs/", "cut"), id="cut-in-the-middle-of-the-weights"),
        pytest.param(Fault("PUT", "/lfs/", 500, times=2), id="500-in-the-weights"),
        pytest.param(Fault("POST", "/commit/", 500), id="500-at-the-commit"),
        pytest.param(Fault("POST", "/commit/", 429, headers={"Retry-After": "2"}), id="429-commit"),
        pytest.param(Fault("POST", "/commit/", "cut"), id="cut-in-the-commit"),
        pytest.param(Fault("POST", "/commit/", "lose answer"), id="answer-to-the-commit-lost"),
        pytest.param(Fault("POST", "paths-info", 502), id="502-at-the-check"),
    ],
)
def test_a_failure_that_passes_is_overcome_with_one_commit(hub, folder, fault):
    hub.fail(fault)
    push_model(folder, REPO)
    assert fault.times == 0
    assert num_commits(hub) == 1
    there = hub.repository(REPO).files()
    assert there["model.safetensors"] == (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("PUT", "/lfs/", "cut", times=99), id="weights-never-arrive"),
        pytest.param(Fault("POST", "/commit/", 500, times=99), id="commit-fails"),
        pytest.param(Fault("POST", "/commit/", "cut", times=99), id="commit-never-arrives"),
    ],
)
def test_a_failure_that_stays_publishes_nothing_and_the_same_call_goes_on(hub, folder, fault):
    hub.fail(fault)
    with pytest.raises(ConnectionError, match=r"Nothing was published.*Run the same command again"):
        push_model(folder, REPO)
    assert num_commits(hub) == 0
    assert hub.repository(REPO).files() == {}
    hub.faults.clear()
    assert push_model(folder, REPO).is_new
    assert num_commits(hub) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("POST", "/commit/", "lose answer"), id="answer-to-the-commit-lost"),
        pytest.param(Fault("POST", "paths-info", 502), id="502-at-the-check"),
    ],
)
def test_a_commit_before_a_failure_that_passes_is_told_with_what_it_deleted(hub, folder, fault):
    push_model(folder, REPO)
    repository = hub.repository(REPO)
    stored = repository.commits[repository.branches["main"]]
    repository.commit("main", stored | {"model.onnx": StoredFile(b"0", False)}, "by hand")
    hub.fail(fault)
    pushed = push_model(folder, REPO)
    assert fault.times == 0
    assert pushed.is_new
    assert pushed.deleted == ("model.onnx",)
    assert pushed.commit == repository.branches["main"]
    assert num_commits(hub) == 3


def test_a_commit_that_could_not_be_checked_is_named_with_what_it_deleted(hub, folder):
    push_model(folder, REPO)
    repository = hub.repository(REPO)
    stored = repository.commits[repository.branches["main"]]
    repository.commit("main", stored | {"model.onnx": StoredFile(b"0", False)}, "by hand")
    hub.fail(Fault("POST", "paths-info", 503, times=99))
    with pytest.raises(ConnectionError) as raised:
        push_model(folder, REPO)
    commit = repository.branches["main"]
    assert (
        f"The files are in {REPO} as commit {commit}, which deleted model.onnx, but could not be "
        "checked. Run the same command again"
    ) in str(raised.value)
    hub.faults.clear()
    assert push_model(folder, REPO).commit == commit


@pytest.mark.parametrize(
    ("path", "action", "outcome", "commits"),
    [
        pytest.param("/lfs/", "cut", "Nothing was published", 0, id="in-the-weights"),
        pytest.param("/commit/", "lose answer", "Whether the files are in .* not", 1, id="commit"),
    ],
)
def test_where_the_hub_is_lost_for_good_only_an_unanswered_commit_is_unknown(
    hub, folder, monkeypatch, path, action, outcome, commits
):
    take_fault = hub.take_fault

    def gone_after(method, asked):
        fault = take_fault(method, asked)
        if fault and fault.action == action:
            hub.fail(*(Fault(method, "", 503, times=99) for method in ("GET", "POST", "PUT")))
        return fault

    monkeypatch.setattr(hub, "take_fault", gone_after)
    hub.fail(*(Fault(method, path, action) for method in ("PUT", "POST")))
    with pytest.raises(ConnectionError, match=outcome):
        push_model(folder, REPO)
    assert num_commits(hub) == commits


def test_weights_that_have_arrived_are_not_sent_twice(hub, folder):
    hub.fail(Fault("POST", "/commit/", 500, times=99))
    with pytest.raises(ConnectionError):
        push_model(folder, REPO)
    hub.faults.clear()
    push_model(folder, REPO)
    assert sum("PUT" in request for request in hub.requests) == 1


def test_a_hub_that_is_not_there_is_named(hub, folder, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match=r"http://127\.0\.0\.1:9\) could not be reached"):
        push_model(folder, REPO)


def test_offline_mode_is_named(hub, folder, monkeypatch):
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.hf_api import HfApi

    def whoami(self):
        raise OfflineModeIsEnabled("offline mode is enabled")

    monkeypatch.setattr(HfApi, "whoami", whoami)
    with pytest.raises(ConnectionError, match="HF_HUB_OFFLINE is set"):
        push_model(folder, REPO)


def test_a_file_that_the_hub_changed_is_found(hub, folder):
    class Damaging(dict):
        def __setitem__(self, oid, content):
            super().__setitem__(oid, content[:-1] + bytes([content[-1] ^ 1]))

    hub.lfs_objects = Damaging()
    with pytest.raises(DamagedUploadError, match=r"model\.safetensors did not arrive"):
        push_model(folder, REPO)


# Spaces and data sets


@pytest.fixture
def space(tmp_path):
    folder = tmp_path / "space"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "README.md").write_text("---\ntitle: Demo\nsdk: gradio\n---\n")
    (folder / "app.py").write_text("print('hello')\n")
    (folder / "requirements.txt").write_text("hwr_hf\n")
    (folder / "__pycache__" / "app.pyc").write_bytes(b"0")
    (folder / ".env").write_text("SECRET=1\n")
    return folder


def test_a_space_arrives_without_hidden_and_compiled_files(hub, space):
    pushed = push(folder_files(space, "space"), "user/demo", private=True)
    repository = hub.repository("user/demo", "space")
    assert repository.sdk == "gradio"
    assert repository.private
    assert repository.files().keys() == {"README.md", "app.py", "requirements.txt"}
    assert repository.files()["app.py"] == b"print('hello')\n"
    assert pushed.url == f"{hub.endpoint}/spaces/user/demo"
    assert not push(folder_files(space, "space"), "user/demo").is_new


def test_a_data_set_arrives_with_its_sub_folders(hub, tmp_path):
    (tmp_path / "lines" / "data").mkdir(parents=True)
    (tmp_path / "lines" / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n")
    (tmp_path / "lines" / "data" / "metadata.csv").write_text("file_name,text\n")
    push(folder_files(tmp_path / "lines", "dataset"), "user/lines")
    files = hub.repository("user/lines", "dataset").files()
    assert files.keys() == {"README.md", "data/metadata.csv"}
