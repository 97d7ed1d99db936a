"""Labelled sequences on which a pretrained model is scored."""
