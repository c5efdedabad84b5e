"""Fill the model card and the README's results from the JSON files under results/.

python scripts/fill_cards.py
"""

from pathlib import Path

from hwr_hf import DEFAULT_MODEL
from hwr_hf.model_card import card_values, fill_card, fill_section

CARDS = Path("model_cards")
NAME = "resnet-bilstm-small-iam"
README = Path("README.md")

if __name__ == "__main__":
    values = card_values("results", DEFAULT_MODEL)
    card = fill_card((CARDS / f"{NAME}.template.md").read_text(encoding="utf-8"), values)
    for path in (CARDS / f"{NAME}.md", Path(DEFAULT_MODEL) / "README.md"):
        path.write_text(card, encoding="utf-8")
    readme = README.read_text(encoding="utf-8")
    readme = fill_section(readme, "results", values["results_table"])
    readme = fill_section(readme, "command", f"```bash\n{values['command']}\n```")
    README.write_text(readme, encoding="utf-8")
