"""The same folder of rows from a cluster, also when one of its machines is lost in the middle."""

import json
import socket
import sys

import pytest
from drawing import draw_text_line

from hwr_hf import DEFAULT_MODEL
from hwr_hf.transcription import ray_engine
from hwr_hf.transcription.job import Counts
from hwr_hf.transcription.parts import Parts
from hwr_hf.transcription.ray_engine import (
    RayOptions,
    transcribe_with_ray,
    with_absolute_paths,
)
from hwr_hf.transcription.reading import ReaderSettings, RowReader
from hwr_hf.transcription.sources import open_source

ray = pytest.importorskip("ray", reason="pip install 'hwr_hf[ray]'")
cluster_utils = pytest.importorskip("ray.cluster_utils")

WORDS = ("rain", "garden", "morning", "post")
MEGABYTES = 80 * 2**20
SETTINGS = ReaderSettings(DEFAULT_MODEL, words=False)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """239 words and a broken file."""
    folder = tmp_path_factory.mktemp("words")
    for number in range(239):
        draw_text_line(WORDS[number % 4], font_size=32).save(folder / f"{number:03}.png")
    (folder / "240.png").write_text("no image")
    return open_source(str(folder))


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one CPU each; the first stays."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    node = {"num_cpus": 1, "object_store_memory": MEGABYTES, "include_dashboard": False}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=node)
    del node["include_dashboard"]
    second = cluster.add_node(**node)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster, second
    ray.shutdown()
    cluster.shutdown()


def test_a_machine_lost_in_the_middle_loses_and_doubles_nothing(
    source, cluster, tmp_path, monkeypatch
):
    nodes, second = cluster
    parts = Parts(tmp_path / "out", {"format": "jsonl"})
    pools, replaced = [], []

    class Pool(ray_engine._Pool):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            pools.append(self)

        def _replace(self, worker, error):
            replaced.append(worker)
            super()._replace(worker, error)

    monkeypatch.setattr(ray_engine, "_Pool", Pool)
    done, at_work = [], []

    def advance(count):
        done.append(count)
        at_work.append(len({worker for worker, _ in pools[0]._reading.values()}))
        if at_work[-1] == 2 and 2 not in at_work[:-1]:
            nodes.remove_node(second, allow_graceful=False)

    counts = transcribe_with_ray(
        source, parts, SETTINGS, RayOptions(num_workers=2), part_size=2, advance=advance
    )
    assert len(replaced) == 1
    assert counts == Counts(images=240, failed=1)
    assert sum(done) == 240
    rows = [row for number in parts.numbers() for row in parts.rows(number)]
    expected = json.loads(json.dumps(RowReader(SETTINGS).rows(list(source.items()))))
    assert [(row["id"], row["text"]) for row in rows] == [(e["id"], e["text"]) for e in expected]
    assert rows[-1]["error"] == expected[-1]["error"]


def test_a_worker_that_cannot_load_its_model_ends_the_job(source, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("hwr_hf.transcription.ray_engine.MAX_FAILURES", 1)
    parts = Parts(tmp_path / "out", {"format": "jsonl"})
    settings = ReaderSettings(str(tmp_path / "none"))
    with pytest.raises(ConnectionError, match="workers died one after another"):
        transcribe_with_ray(source, parts, settings, RayOptions(num_workers=1), part_size=3)


def test_without_ray_it_is_said_how_to_get_it(source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    parts = Parts(tmp_path / "out", {"format": "jsonl"})
    with pytest.raises(ValueError, match=r"pip install 'hwr_hf\[ray\]'"):
        transcribe_with_ray(source, parts, SETTINGS, RayOptions(), part_size=3)


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_no_cluster_is_is_said_at_once(source, tmp_path, scheme):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}127.0.0.1:{server.getsockname()[1]}"
    parts = Parts(tmp_path / "out", {"format": "jsonl"})
    with pytest.raises(ConnectionError, match=f"No Ray cluster answers at {address}"):
        transcribe_with_ray(source, parts, SETTINGS, RayOptions(address=address), part_size=3)


def test_workers_that_were_started_elsewhere_find_the_models_files(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "mine.safetensors").write_text("")
    monkeypatch.chdir(tmp_path)
    settings = ReaderSettings("model", beam={"ngram": "mine.safetensors", "lm_weight": 0.5})
    found = with_absolute_paths(settings)
    assert found.model == str(tmp_path / "model")
    assert found.beam == {"ngram": str(tmp_path / "mine.safetensors"), "lm_weight": 0.5}
    assert with_absolute_paths(ReaderSettings("user/on-the-hub")).model == "user/on-the-hub"
