"""Put the folder of a Space together: the app, its own copy of the package, the samples.

python scripts/pack_space.py --output path/to/folder
"""

import argparse
from pathlib import Path

from hwr_hf.space import pack_space

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="new folder to write")
    arguments = parser.parse_args()
    try:
        files = pack_space(Path(__file__).resolve().parents[1], arguments.output)
    except ValueError as error:
        parser.error(str(error))
    size = sum((arguments.output / file).stat().st_size for file in files)
    print(f"{len(files)} files, {size / 1e6:.1f} MB, in {arguments.output}")
    print(f"Publish: hwr-hf push {arguments.output} --repo user/name --type space")
