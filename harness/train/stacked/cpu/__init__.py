"""The stacked engine on the processor: 16 runs in the lanes of its vectors, compiled by numba."""
