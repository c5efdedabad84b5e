"""From a folder to the Hub and back: what was pushed reads the same in processes of their own.

The Hub is the stand-in on the loopback. One process cannot import this package and has only the
repository's code, another uses the package; both get the same pictures.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
from drawing import draw_text_line
from hub_server import Fault, HubServer
from huggingface_hub import constants
from iam_miniature import LINES, SPLITS
from ngram_miniature import save_ngram
from transformers import AutoModelForCTC, AutoProcessor, pipeline

from hwr_hf.cli import main
from hwr_hf.hub import push_model

REPO = "user/reader"

WITHOUT_PACKAGE = """
import json, sys, time

class NoPackage:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "hwr_hf":
            raise ImportError("No module named 'hwr_hf'")

sys.meta_path.insert(0, NoPackage())
time.sleep = lambda seconds: None
repo, commit, image, out = sys.argv[1:]
import torch
from transformers import AutoModelForCTC, AutoProcessor, pipeline

trust = {"trust_remote_code": True}
results = {}
for name, revision in (("main", None), ("commit", commit)):
    model = AutoModelForCTC.from_pretrained(repo, revision=revision, **trust).eval()
    processor = AutoProcessor.from_pretrained(repo, revision=revision, **trust)
    with torch.no_grad():
        logits = model(**processor(images=image)).logits
    results[name] = processor.batch_decode(logits.argmax(-1))[0]
reader = pipeline("image-to-text", repo, device="cpu", **trust)
results["pipeline"] = reader(image, return_words=True)
results["beam"] = reader(image, decoder="beam")
earlier = pipeline("image-to-text", repo, revision=commit, device="cpu", **trust)
results["beam_of_commit"] = earlier(image, decoder="beam")
results["module"] = type(reader).__module__.split(".")[0]
assert "hwr_hf" not in sys.modules
json.dump(results, open(out, "w"))
"""

WITH_PACKAGE = """
import json, sys, time

time.sleep = lambda seconds: None
repo, commit, image, out = sys.argv[1:]
import datasets
import hwr_hf
from hwr_hf.data.iam import load_iam
from transformers import AutoModelForCTC, pipeline

results = {"class": type(AutoModelForCTC.from_pretrained(repo)).__module__}
results["pipeline"] = pipeline("image-to-text", repo, device="cpu")(image)

from drawing import draw_text_line

features = datasets.Features({"image": datasets.Image(), "text": datasets.Value("string")})
splits = {}
for name, texts in json.load(open(out)).items():
    rows = {"image": [draw_text_line(text) for text in texts], "text": texts}
    splits[name] = datasets.Dataset.from_dict(rows, features=features)
datasets.DatasetDict(splits).push_to_hub("user/iam-line", private=True)
loaded = datasets.load_dataset("user/iam-line")
results["rows"] = {name: part["text"][:] for name, part in loaded.items()}
results["sizes"] = [row["image"].size for row in loaded["train"]]
streamed = datasets.load_dataset("user/iam-line", split="test", streaming=True)
results["streamed"] = [row["text"] for row in streamed]
results["iam"] = load_iam("user/iam-line")["train"]["text"][:]
json.dump(results, open(out, "w"))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("round")


@pytest.fixture(scope="module")
def folder(place, tiny_model_dir):
    """The tiny model with an n-gram, and in `earlier` the same with other settings of it."""
    folder = place / "model"
    pipeline("image-to-text", model=str(tiny_model_dir), device="cpu").save_pretrained(folder)
    save_ngram(folder / "ngram.safetensors")
    shutil.copytree(folder, place / "earlier")
    save_ngram(place / "earlier" / "ngram.safetensors", {"lm_weight": 2.0, "length_bonus": 0.0})
    return folder


@pytest.fixture(scope="module")
def line(place):
    path = place / "line.png"
    draw_text_line("hello there").save(path)
    return str(path)


@pytest.fixture(scope="module")
def run(place, folder, line):
    """Function that runs a script with a Hub to which first `earlier` and then `folder` went.

    Returns what the script found and the Hub.
    """
    with HubServer() as hub, pytest.MonkeyPatch.context() as patch:
        hub.replace_hub(patch)
        commit = push_model(place / "earlier", REPO).commit
        push_model(folder, REPO)
        patch.undo()

        def run_script(script, name, package, data=None):
            out = place / f"{name}.json"
            out.write_text(json.dumps(data))
            kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HF_"))}
            environment = kept | {
                "HF_ENDPOINT": hub.endpoint,
                "HF_HUB_DISABLE_XET": "1",
                "HF_HOME": str(place / name),
                "HF_TOKEN": hub.token,
                "PYTHONPATH": os.pathsep.join(sys.path) if package else "",
            }
            done = subprocess.run(
                [sys.executable, "-c", script, REPO, commit, line, str(out)],
                env=environment,
                cwd=place,
                stdin=subprocess.DEVNULL,  # a question whether to trust would fail, not wait
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            return json.loads(out.read_text()), hub

        yield run_script


@pytest.fixture(scope="module")
def remote(run):
    """What a process that has only the repository's code reads."""
    return run(WITHOUT_PACKAGE, "without", package=False)


@pytest.fixture(scope="module")
def packaged(run):
    """What a process with the package reads and loads, and the Hub then."""
    texts = {
        subset: [LINES[name][1].replace("|", " ") for name in names]
        for subset, names in (("train", SPLITS["tr.lst"]), ("test", SPLITS["te.lst"]))
    }
    return (*run(WITH_PACKAGE, "with", package=True, data=texts), texts)


@pytest.fixture(scope="module")
def local(folder, line):
    """What this process reads with the folder that was pushed."""
    reader = pipeline("image-to-text", model=str(folder), device="cpu")
    earlier = folder.parent / "earlier" / "ngram.safetensors"
    return {
        "pipeline": reader(line, return_words=True),
        "beam": reader(line, decoder="beam"),
        "beam_of_commit": reader(line, decoder="beam", ngram=earlier),
    }


def test_the_pipeline_reads_without_the_package_what_the_package_reads(remote, local):
    found, _ = remote
    (there,), (here,) = found["pipeline"], local["pipeline"]
    assert there["generated_text"] == here["generated_text"] != ""
    assert there["score"] == pytest.approx(here["score"], rel=1e-3)
    assert [word["box"] for word in there["words"]] == [word["box"] for word in here["words"]]
    assert found["module"] == "transformers_modules"


@pytest.mark.parametrize("way", ["beam", "beam_of_commit"])
def test_the_beam_search_takes_the_ngram_of_the_weights_revision(remote, local, way):
    there, here = remote[0][way][0], local[way][0]
    assert there["generated_text"] == here["generated_text"]
    assert there["fused_score"] == pytest.approx(here["fused_score"], rel=1e-3)
    assert local["beam"] != local["beam_of_commit"]


@pytest.mark.parametrize("revision", ["main", "commit"])
def test_the_auto_classes_load_a_branch_and_a_commit(remote, local, revision):
    assert remote[0][revision] == local["pipeline"][0]["generated_text"]


def test_the_package_reads_a_hub_name_with_its_own_classes(packaged, local):
    found = packaged[0]
    assert found["class"] == "hwr_hf.resnet_bilstm.modeling_resnet_bilstm"
    text = local["pipeline"][0]["generated_text"]
    assert found["pipeline"][0]["generated_text"] == text


@pytest.mark.parametrize(
    ("process", "pushed", "number"),
    [
        pytest.param("without", "model", 0, id="main-without-package"),
        pytest.param("without", "earlier", 1, id="commit-without-package"),
        pytest.param("with", "model", 0, id="main-with-package"),
    ],
)
def test_what_was_loaded_are_the_bytes_that_were_pushed(
    remote, packaged, place, process, pushed, number
):
    cache = place / process / "hub" / "models--user--reader"
    main_commit = (cache / "refs" / "main").read_text()
    snapshots = sorted((cache / "snapshots").iterdir(), key=lambda path: path.name != main_commit)
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        loaded = snapshots[number] / name
        assert loaded.read_bytes() == (place / pushed / name).read_bytes(), name


def test_a_parquet_data_set_shaped_like_iam_comes_back(packaged):
    found, hub, texts = packaged
    files = hub.repository("user/iam-line", "dataset").files()
    assert sorted(path for path in files if path.endswith(".parquet")) == [
        "data/test-00000-of-00001.parquet",
        "data/train-00000-of-00001.parquet",
    ]
    assert found["rows"] == texts
    assert found["streamed"] == texts["test"]
    assert found["sizes"] == [list(draw_text_line(text).size) for text in texts["train"]]


def test_load_iam_takes_the_data_set_by_its_name(packaged):
    assert packaged[0]["iam"][0] == "No, that's her \"hat"


def test_the_librarys_own_push_of_model_and_processor_is_complete_too(hub, folder, local, line):
    AutoModelForCTC.from_pretrained(folder).push_to_hub("user/parts")
    AutoProcessor.from_pretrained(folder).push_to_hub("user/parts")
    files = hub.repository("user/parts").files()
    code = {path.name for path in folder.glob("*_resnet_bilstm.py")}
    assert code | {"model.safetensors", "processor_config.json"} <= files.keys()
    (reading,) = pipeline("image-to-text", "user/parts", device="cpu")(line)
    assert reading["generated_text"] == local["pipeline"][0]["generated_text"]


# Downloads that fail


@pytest.fixture
def load(hub, folder):
    """Function that loads the pushed model."""
    push_model(folder, REPO)
    return lambda: AutoModelForCTC.from_pretrained(REPO)


def weights(model):
    return {name: tensor.float().sum().item() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("GET", "safetensors", "cut"), id="cut-in-the-middle-of-the-weights"),
        pytest.param(Fault("GET", "safetensors", "cut", times=3), id="cut-three-times"),
        pytest.param(Fault("GET", "safetensors", 429, headers={"Retry-After": "1"}), id="429"),
        pytest.param(Fault("HEAD", "safetensors", 500), id="500"),
        pytest.param(Fault("HEAD", "config.json", 503), id="503-at-the-configuration"),
    ],
)
def test_a_failure_that_passes_gives_the_model_whole(hub, load, folder, fault):
    hub.fail(fault)
    assert weights(load()) == weights(AutoModelForCTC.from_pretrained(folder))
    assert fault.times == 0


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("GET", "safetensors", "truncate"), id="half-as-if-it-were-all"),
        pytest.param(Fault("GET", "safetensors", 500, times=99), id="500-that-stays"),
        pytest.param(Fault("GET", "safetensors", "lose answer", times=99), id="no-byte-arrives"),
    ],
)
def test_a_download_that_fails_is_an_error_and_no_damaged_file_stays(hub, load, folder, fault):
    hub.fail(fault)
    with pytest.raises(OSError):
        load()
    hub.faults.clear()
    assert weights(load()) == weights(AutoModelForCTC.from_pretrained(folder))


def test_the_command_line_says_in_a_sentence_that_a_download_was_cut_short(
    hub, folder, line, capsys
):
    push_model(folder, REPO)
    hub.fail(Fault("GET", "safetensors", "truncate", times=99))
    assert main(["read", line, "--model", REPO]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error: Consistency check failed" in captured.err
    hub.faults.clear()
    assert main(["read", line, "--model", REPO]) == 0


def test_what_an_earlier_load_has_cached_is_read_offline(hub, folder, line, capsys, monkeypatch):
    push_model(folder, REPO)
    (here,) = pipeline("image-to-text", REPO, device="cpu")(line)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert main(["read", line, "--model", REPO]) == 0
    assert capsys.readouterr().out == here["generated_text"] + "\n"
