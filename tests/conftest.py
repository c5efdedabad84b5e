import shutil
import socket
import time
from pathlib import Path

import pytest
import torch
from hub_server import HubServer
from huggingface_hub import constants
from iam_miniature import SPLITS, image_files, label_files, write_archive, write_tree


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A test that reaches for the network fails; sockets within the machine stay."""
    connect = socket.socket.connect

    def connect_locally(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"A test asked the network for {address}.")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_locally)


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory):
    """Folder of a complete model with random weights, small enough for any test."""
    from hwr_hf.resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
    from hwr_hf.resnet_bilstm.image_processing_resnet_bilstm import ResNetBiLstmImageProcessor
    from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import ResNetBiLstmForCTC
    from hwr_hf.resnet_bilstm.processing_resnet_bilstm import ResNetBiLstmProcessor
    from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer

    torch.manual_seed(0)
    config = ResNetBiLstmConfig(
        stem_channels=8,
        hidden_sizes=[8, 8, 8],
        depths=[1, 1, 1],
        lstm_hidden_size=16,
        num_lstm_layers=1,
        initializer_range=1.0,  # spread the classes, so that random weights read some text
    )
    processor = ResNetBiLstmProcessor(ResNetBiLstmImageProcessor(), ResNetBiLstmTokenizer())
    path = tmp_path_factory.mktemp("models") / "tiny"
    ResNetBiLstmForCTC(config).save_pretrained(path)
    processor.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def trained_corrector(tmp_path_factory):
    """Knows `bert_miniature.PAIRS` by heart; its gate takes what the text alone speaks for."""
    from bert_miniature import make_corrector, overfit

    corrector = make_corrector(tmp_path_factory.mktemp("vocabulary"))
    overfit(corrector)
    return corrector


@pytest.fixture
def model_with_corrector(tiny_model_dir, trained_corrector, tmp_path):
    """Folder of the tiny recogniser with the tiny corrector beside it."""
    folder = shutil.copytree(tiny_model_dir, tmp_path / "model")
    trained_corrector.save_pretrained(folder / "corrector")
    return folder


@pytest.fixture
def make_iam(tmp_path):
    """Function that writes a miniature IAM and returns its folder.

    `packing`: "archives" (as downloaded), "folders" (`lines/a01/...`), "bare" (`a01/...`) or "flat"
    (all images of a unit side by side). `damage` replaces the bytes of images by id; None removes
    the image. `own_splits=False` leaves the package's lists in force.
    """

    def make(packing="folders", damage=None, own_splits=True) -> Path:
        folder = tmp_path / "iam"
        folder.mkdir()
        damage = damage or {}
        ascii_files = {name: text.encode() for name, text in label_files().items()}
        if packing == "archives":
            write_archive(folder / "ascii.tgz", ascii_files)
        else:
            write_tree(folder / "ascii" if packing == "folders" else folder, ascii_files)
        for unit, files in image_files().items():
            files = {name: damage.get(Path(name).stem, files[name]) for name in files}
            files = {name: content for name, content in files.items() if content is not None}
            if packing == "archives":
                write_archive(folder / f"{unit}.tgz", files)
            elif packing == "flat":
                write_tree(folder / unit, {Path(name).name: files[name] for name in files})
            else:
                write_tree(folder / unit if packing == "folders" else folder, files)
        if own_splits:
            lists = {name: "\n".join(ids).encode() for name, ids in SPLITS.items()}
            write_tree(folder / "splits" / "aachen", lists)
        return folder

    return make


@pytest.fixture
def cache_dir(tmp_path):
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def hub_server():
    """The stand-in for the Hub."""
    with HubServer() as server:
        yield server


@pytest.fixture
def hub(hub_server, monkeypatch, tmp_path):
    """The stand-in, empty, in the place of the Hub for this process, with a token that may write.

    What would wait before it asks again does not wait.
    """
    hub_server.reset()
    hub_server.replace_hub(monkeypatch)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return hub_server
