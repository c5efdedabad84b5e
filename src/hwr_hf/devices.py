"""Where a model computes: the device that was asked for, or the library's choice."""

CPU_BATCH_SIZE = 16  # more makes two cores hardly faster
GPU_BATCH_SIZE = 128  # its feature maps take less than 1 GB


def checked_device(name: str | None) -> str | None:
    """The device asked for, as it was given; None lets the library choose.

    Raises:
        ValueError: This machine has no such device.
    """
    import torch  # late: the command line answers --help without it

    if name is None:
        return None
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"The device {name!r} is not there ({str(error).splitlines()[0]}). Try --device cpu."
        ) from error
    return name


def default_batch_size(device) -> int:
    """Images to read at once where nobody said how many.

    Args:
        device: A name, a `torch.device`, or None for the library's choice.
    """
    import torch

    on_gpu = torch.cuda.is_available() if device is None else torch.device(device).type == "cuda"
    return GPU_BATCH_SIZE if on_gpu else CPU_BATCH_SIZE


def slow_dtype_note(dtype: str, device: str | None) -> str | None:
    """What to tell who asked for a number format that the processor has to imitate, or None.

    Args:
        dtype: Such as `"bfloat16"`.
        device: As given to `checked_device`.
    """
    import torch

    on_cpu = (device or "cpu").startswith("cpu") and not (
        device is None and torch.cuda.is_available()
    )
    if dtype != "bfloat16" or not on_cpu or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return None
    return (
        "This processor does not compute in bfloat16 and imitates it, which is slower than "
        "float32. Leave out --dtype bfloat16."
    )
