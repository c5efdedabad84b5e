"""From recognised text to corrected text: a BERT encoder-decoder and what it is trained with."""
