"""Models by name, and their way from and to folders that transformers reads."""
