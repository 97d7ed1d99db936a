"""Tokens of DNA: from base codes to what a model reads."""
