"""A BERT encoder-decoder small enough for any test, with a vocabulary written by hand."""

import string

import torch
from transformers import BertConfig, BertTokenizer, EncoderDecoderConfig, EncoderDecoderModel

from hwr_hf.correction import BertCorrector, GateSettings
from hwr_hf.correction.encoding import encode_lines, encode_targets, pad

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "house", "of", "and", "was", "letter", "came", "morning", "post", "london"]
VOCABULARY = [
    *SPECIAL,
    *string.ascii_lowercase,
    *(f"##{letter}" for letter in string.ascii_lowercase),
    *string.digits,
    *(f"##{digit}" for digit in string.digits),
    *".,;:!?'\"()-/",
    *WORDS,
]
POSITIONS = 64
# What was recognised, and what was written.
PAIRS = [
    ("tbe house", "the house"),
    ("the hause", "the house"),
    ("a hcuse", "a house"),
    ("Lcndon was", "London was"),
    ("in Landon", "in London"),
    ("a lctter came", "a letter came"),
    ("the leter", "the letter"),
    ("the momng post", "the morning post"),
    ("The marning", "The morning"),
    ("the pcst came", "the post came"),
    ("ofthe house", "of the house"),
    ("it vas", "it was"),
    ("he cane", "he came"),
    ("and wos", "and was"),
    ("post amd letter", "post and letter"),
    ("the house", "the house"),
    ("London came", "London came"),
    ("a letter", "a letter"),
    ("Gaitskells post", "Gaitskell's post"),
    ("the mor ning", "the morning"),
]


def make_tokenizer(folder) -> BertTokenizer:
    """Uncased, with the vocabulary above."""
    path = folder / "vocabulary.txt"
    path.write_text("\n".join(VOCABULARY) + "\n")
    return BertTokenizer(vocab=str(path), do_lower_case=True)


def make_corrector(folder, **gate) -> BertCorrector:
    """With random weights."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer(folder)
    side = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": POSITIONS,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    config = EncoderDecoderConfig.from_encoder_decoder_configs(
        BertConfig(**side), BertConfig(**side)
    )
    return BertCorrector(EncoderDecoderModel(config), tokenizer, GateSettings(**gate))


def overfit(corrector: BertCorrector, pairs=PAIRS, steps=250) -> None:
    """Train it until it knows these pairs by heart."""
    tokenizer, model = corrector.tokenizer, corrector.model.train()
    encoded = encode_lines(tokenizer, [recognised for recognised, _ in pairs])
    labels = pad(encode_targets(tokenizer, [text for _, text in pairs]), -100)
    input_ids = pad(encoded, tokenizer.pad_token_id)
    mask = pad([[1] * len(ids) for ids in encoded], 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        logits = model(
            input_ids=input_ids,
            attention_mask=mask,
            decoder_input_ids=model.prepare_decoder_input_ids_from_labels(labels),
        ).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
