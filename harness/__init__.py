"""Declared, checked and resumable training sweeps for small GPTs."""
