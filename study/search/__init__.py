"""What a study tries: Optuna's proposals, and who is stopped early."""
