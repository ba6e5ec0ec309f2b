"""The faults that `benchmarks/faults.py` injects: a family a file, each beside its control."""
