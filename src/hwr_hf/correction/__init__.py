"""Recognised text -> corrected text: a BERT encoder-decoder, and a gate that keeps it harmless."""
