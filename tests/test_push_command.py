import shutil

import pytest
from hub_server import Fault

from hwr_hf.cli import main


@pytest.fixture
def push(hub, tiny_model_dir, tmp_path, capsys):
    """Run `hwr-hf push` on a folder (the tiny model): exit code, standard output and error."""

    def run(*options, folder=tiny_model_dir, repo="user/reader"):
        code = main(["push", str(folder), "--repo", repo, *options])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_dry_run_lists_files_with_sizes_and_asks_nothing(push, hub, tiny_model_dir, tmp_path):
    folder = shutil.copytree(tiny_model_dir, tmp_path / "model")
    (folder / "optimizer.pt").write_bytes(b"0")
    (folder / "tokenizer_config.json").write_bytes(b" " * 1234)
    code, out, err = push("--dry-run", folder=folder)
    assert code == 0
    assert "       1.2 kB  tokenizer_config.json\n" in out
    assert out.splitlines()[-1].endswith(f" kB  in {len(out.splitlines()) - 1} files")
    assert err == "left out: optimizer.pt (state of a training)\n"
    assert hub.requests == []
    assert not (folder / "README.md").exists()


def test_push_prints_the_address_and_again_that_it_is_there(push, hub):
    code, out, _ = push("--message", "First", "--license", "cc-by-4.0")
    repository = hub.repository("user/reader")
    commit = repository.branches["main"]
    assert code == 0
    num_files = len(repository.files())
    assert out == f"{hub.endpoint}/user/reader  ({num_files} files, commit {commit})\n"
    assert repository.messages[-1] == "First"
    assert b"license: cc-by-4.0" in repository.files()["README.md"]
    assert push("--message", "Second", "--license", "cc-by-4.0")[:2] == (
        0,
        f"{hub.endpoint}/user/reader  (already there, commit {commit})\n",
    )


def test_a_licence_of_another_name_has_a_link(push, hub):
    push("--license", "my-terms=https://example.org/terms")
    card = hub.repository("user/reader").files()["README.md"].decode()
    assert "license: other\nlicense_name: my-terms\nlicense_link: https://example.org/terms" in card


def test_push_of_a_space(push, hub, tmp_path):
    (tmp_path / "README.md").write_text("---\nsdk: static\n---\n")
    code, out, _ = push("--type", "space", folder=tmp_path, repo="user/demo")
    assert code == 0
    assert out.startswith(f"{hub.endpoint}/spaces/user/demo  (1 files, ")


@pytest.mark.parametrize(
    ("options", "token", "message"),
    [
        pytest.param([], "hf_wrong", "The Hub does not know the token", id="token"),
        pytest.param([], "hf_read", "The token may not write to user/reader", id="permission"),
        pytest.param(
            ["--results", "gone.json"], "hf_write", "gone.json holds no result", id="results"
        ),
        pytest.param(
            ["--type", "dataset", "--license", "mit"], "hf_write", "options of a model", id="type"
        ),
    ],
)
def test_what_hinders_a_push_gets_a_sentence_and_no_stack_trace(
    push, monkeypatch, options, token, message
):
    monkeypatch.setenv("HF_TOKEN", token)
    code, out, err = push(*options)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_a_push_that_is_cut_says_that_it_waits_and_goes_on(push, hub, caplog):
    hub.fail(Fault("POST", "/commit/", "cut"))
    assert push()[0] == 0
    assert "Trying again in 1 s." in caplog.text
