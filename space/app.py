"""The Space: serves the app of the package `hwr_hf` with the sample pictures as examples."""

from pathlib import Path

from hwr_hf.app import main

HERE = Path(__file__).resolve().parent
EXAMPLES = ("line.png", "climbing.png", "word.png")

if __name__ == "__main__":
    # Beside this file on the Space, one folder up in the repository.
    samples = HERE / "samples" if (HERE / "samples").is_dir() else HERE.parent / "samples"
    main(examples=[samples / name for name in EXAMPLES])
