"""DNA on disk: from FASTA to one mapped file, and windows of it that never cross N or an edge."""
