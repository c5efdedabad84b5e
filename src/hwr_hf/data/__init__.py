"""Handwriting data as `datasets`: IAM lines and words."""

from .iam import load_iam

__all__ = ["load_iam"]
