"""Fill the model card and the README's results from the JSON files under results/.

python scripts/fill_cards.py

The results that the card quotes are copied into the model's folder, which is a complete repository.
"""

from pathlib import Path

from hwr_hf import DEFAULT_MODEL
from hwr_hf.model_card import card_values, fill_card, fill_section, quoted_results

CARDS = Path("model_cards")
NAME = "resnet-bilstm-small-iam"
README = Path("README.md")
RESULTS = Path("results")

if __name__ == "__main__":
    template = (CARDS / f"{NAME}.template.md").read_text(encoding="utf-8")
    model = Path(DEFAULT_MODEL)
    # From model_cards/ the pictures of the model's repository are elsewhere.
    for path, repository in (
        (CARDS / f"{NAME}.md", "../src/hwr_hf/pretrained/"),
        (model / "README.md", ""),
    ):
        values = card_values(RESULTS, model, NAME, repository)
        path.write_text(fill_card(template, values), encoding="utf-8")
    (model / "results").mkdir(exist_ok=True)
    for copy in (model / "results").glob("*.json"):
        copy.unlink()
    for path in quoted_results(template, RESULTS, model):
        (model / "results" / path.name).write_bytes(path.read_bytes())
    readme = README.read_text(encoding="utf-8")
    readme = fill_section(readme, "results", values["results_table"])
    readme = fill_section(readme, "command", f"```bash\n{values['command']}\n```")
    README.write_text(readme, encoding="utf-8")
