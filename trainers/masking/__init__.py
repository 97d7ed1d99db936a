"""Which tokens a curriculum hides, on any device: a pure function of (DNA, masking, seed, sample)."""
