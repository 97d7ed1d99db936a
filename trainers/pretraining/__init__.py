"""The pretraining loop and what it needs."""
