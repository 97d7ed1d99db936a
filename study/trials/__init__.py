"""One trial: pretraining by a group of DDP workers, and the scores of its checkpoints."""
