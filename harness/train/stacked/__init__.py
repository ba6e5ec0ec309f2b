"""The engine `stacked`: many runs in lock-step, each bit for bit as it would be alone."""
