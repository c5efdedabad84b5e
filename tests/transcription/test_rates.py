"""What the measurement of rates measures."""

from hwr_hf.transcription.rates import LINES, measure_rates


def test_every_step_is_measured_on_images_the_size_of_lines():
    measured = measure_rates(4)
    rates = measured["images_per_second"]
    assert set(rates) == {"archive", "decode", "worker", "write"}
    assert all(rate > 0 for rate in rates.values())
    assert len(measured["pixels"]) == len(LINES)
    assert all(width > 8 * height for width, height in measured["pixels"])
    # between what the drawn letters and what raw pixels would take
    width, height = measured["pixels"][0]
    assert width * height / 10 < measured["bytes_per_image"] < width * height
    assert measured["bytes_per_row"] > len(LINES[0])
