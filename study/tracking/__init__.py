"""MLflow, filled from the stored rows by a process of its own."""
