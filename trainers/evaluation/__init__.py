"""How a pretrained model is scored on labelled sequences."""
