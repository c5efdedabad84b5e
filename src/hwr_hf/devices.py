"""Where a model computes: the device that was asked for, or the library's choice."""


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
