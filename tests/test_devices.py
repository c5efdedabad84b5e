"""What is told of devices and number formats that are not there."""

import pytest
import torch

from hwr_hf.devices import checked_device, default_batch_size, slow_dtype_note


@pytest.fixture
def processor(monkeypatch):
    """Function that sets whether the processor computes in bfloat16; there is no GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def has_bfloat16(answer: bool) -> None:
        name = "_is_mkldnn_bf16_supported"
        monkeypatch.setattr(torch.ops.mkldnn, name, lambda: answer, raising=False)

    return has_bfloat16


def test_bfloat16_that_is_imitated_is_told(processor):
    processor(False)
    assert "imitates it" in slow_dtype_note("bfloat16", None)
    assert "imitates it" in slow_dtype_note("bfloat16", "cpu")


def test_there_is_nothing_to_tell_of_what_the_processor_has(processor):
    processor(True)
    assert slow_dtype_note("bfloat16", None) is None


@pytest.mark.parametrize(("dtype", "device"), [("float32", None), ("bfloat16", "cuda:0")])
def test_other_formats_and_devices_are_not_the_processors_matter(processor, dtype, device):
    processor(False)
    assert slow_dtype_note(dtype, device) is None


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="The device 'nonsense' is not there"):
        checked_device("nonsense")


def test_the_librarys_choice_is_left_to_it():
    assert checked_device(None) is None


@pytest.mark.parametrize("has_gpu", [False, True])
def test_a_gpu_reads_more_images_at_once(monkeypatch, has_gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    on_cpu, on_gpu = default_batch_size("cpu"), default_batch_size(torch.device("cuda", 0))
    assert on_gpu > on_cpu == default_batch_size(torch.device("cpu"))
    assert default_batch_size(None) == (on_gpu if has_gpu else on_cpu)
