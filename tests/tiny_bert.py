"""A BERT small enough to train in a test, with the words that the tests use."""

from pathlib import Path

from transformers import BertConfig, BertModel, BertTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def save_tiny_bert(folder: Path, words: list[str], num_layers: int = 2) -> Path:
    """Writes model and tokenizer of an uncased BERT that can also spell letter by letter."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"-()"
    pieces = [*words, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = dict.fromkeys([*SPECIAL, *pieces])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=num_layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
