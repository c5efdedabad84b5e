"""Recognised text -> corrected text: a BERT encoder-decoder, and a gate that keeps it harmless."""

from .corrector import CORRECTOR_FOLDER, BertCorrector, has_corrector, load_corrector
from .edits import Correction, Edit
from .gate import GateSettings

__all__ = [
    "CORRECTOR_FOLDER",
    "BertCorrector",
    "Correction",
    "Edit",
    "GateSettings",
    "has_corrector",
    "load_corrector",
]
