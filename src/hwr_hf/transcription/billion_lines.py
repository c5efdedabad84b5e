"""What a billion lines cost on 1, 10 and 100 machines, and what holds them up: a page of text.

In: rates that `rates.measure_rates` measured, and assumptions on machines, network and storage.
Out: Markdown. The model is a chain: images a second are those of its slowest step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Assumptions:
    """What is not measured.

    Attributes:
        images: To read.
        machines: Sizes of cluster to compare.
        cores: Of a machine; one worker each.
        price: US dollars for a core and an hour.
        network: Of a machine, in gigabits a second.
        storage: Read by all machines together, in megabytes a second.
    """

    images: int = 1_000_000_000
    machines: Sequence[int] = (1, 10, 100)
    cores: int = 16
    price: float = 0.05
    network: float = 10.0
    storage: float = 1000.0


def limits(measured: dict, assumed: Assumptions, num_machines: int) -> dict[str, float]:
    """Images a second that each step of a job on an archive lets through.

    Args:
        measured: What `measure_rates` returns.
        assumed: The cluster.
        num_machines: Of them.
    """
    rates, num_bytes = measured["images_per_second"], measured["bytes_per_image"]
    return {
        "workers": num_machines * assumed.cores * rates["worker"],
        "storage": assumed.storage * 1e6 / num_bytes,
        "network of the dealing process": assumed.network * 1e9 / 8 / num_bytes,
        # one process takes images from the archive and writes rows, one after the other
        "dealing process": 1 / (1 / rates["archive"] + 1 / rates["write"]),
    }


def billion_lines_page(measured: dict, assumed: Assumptions) -> str:
    """The page, in Markdown."""
    rates = measured["images_per_second"]
    widths, heights = zip(*measured["pixels"], strict=True)
    fixed = limits(measured, assumed, 0)
    del fixed["workers"]
    a_machine = assumed.cores * rates["worker"]
    first = min(fixed, key=fixed.get)
    return f"""\
# {assumed.images:,} lines
Reckoned, not run: from rates measured on one machine and assumptions on a cluster, both in
[billion_lines.json](billion_lines.json). `python scripts/estimate_billion_lines.py` measures and
writes this page; its options are the assumptions.

## Measured
On {measured["images"]:,} drawn lines of {min(widths)} to {max(widths)} x {min(heights)} to \
{max(heights)} pixels, {measured["bytes_per_image"]:,} bytes each as PNG; decoder \
{measured["decoder"]}; torch {measured["torch"]};
{
        measured["cores"]
    } cores, each with a worker of one thread. Seconds are of CPU time; for writing, of the clock.

{
        _table(
            ["step, on one core", "images a second"],
            [
                ["take from a tar archive", f"{rates['archive']:,.0f}"],
                ["decode", f"{rates['decode']:,.0f}"],
                ["worker: decode, prepare, read", f"{rates['worker']:,.2f}"],
                ["write rows", f"{rates['write']:,.0f}"],
            ],
        )
    }

A row of JSON takes {measured["bytes_per_row"]:,} bytes, so all rows take \
{assumed.images * measured["bytes_per_row"] / 1e9:,.0f} GB and all images \
{assumed.images * measured["bytes_per_image"] / 1e12:,.1f} TB.

## Assumed
Machines of {assumed.cores} cores at {assumed.price:g} US dollars for a core and an hour, \
{assumed.network:g} Gbit/s of network each, and storage
that all of them together read at {assumed.storage:,.0f} MB/s. Every core does as much as one of \
those measured, and all machines are
paid for until the last image is read.

## Cost
{
        _table(
            [
                "machines",
                "workers",
                "workers could read a second",
                "images a second",
                "held up by",
                "hours",
                "US dollars",
            ],
            [_cost(measured, assumed, num_machines) for num_machines in assumed.machines],
        )
    }

images a second = min(workers x rate of a worker, each limit below);
hours = images / images a second / {SECONDS_PER_HOUR}; dollars = machines x cores x hours x price.

## What saturates first
One archive, one job: a single process takes the images from it, deals them out and writes the rows.

{
        _table(
            ["limit", "images a second", "machines it keeps busy"],
            [
                [name, f"{rate:,.0f}", f"{rate / a_machine:,.1f}"]
                for name, rate in sorted(fixed.items(), key=lambda limit: limit[1])
            ],
        )
    }

- Up to {fixed[first] / a_machine:,.0f} machines the workers are what a job waits for; beyond, the \
{first} saturates first.
- Decoding never does: it takes {rates["worker"] / rates["decode"]:.1%} of a worker's time.
- storage = MB/s / bytes of an image; network = Gbit/s / 8 / bytes of an image; dealing process =
  1 / (1 / rate of the archive + 1 / rate of writing). What Ray itself does for a part is not in it.
- Images in a folder that every machine sees are opened by the workers: only their names pass the
  dealing process and its network. Storage still limits, and so do opened files a second, which
  were not measured.
- Several archives, a job each with an output folder of its own, raise all limits but storage's as
  many times.
- A GPU was not measured. `--num-gpus-per-worker` gives each worker one, or a part of one; put the
  rate of such a worker in place of the one above.
"""


def _cost(measured: dict, assumed: Assumptions, num_machines: int) -> list[str]:
    rates = limits(measured, assumed, num_machines)
    slowest = min(rates, key=rates.get)
    hours = assumed.images / rates[slowest] / SECONDS_PER_HOUR
    dollars = num_machines * assumed.cores * hours * assumed.price
    return [
        str(num_machines),
        f"{num_machines * assumed.cores:,}",
        f"{rates['workers']:,.0f}",
        f"{rates[slowest]:,.0f}",
        slowest,
        f"{hours:,.0f}",
        f"{dollars:,.0f}",
    ]


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
