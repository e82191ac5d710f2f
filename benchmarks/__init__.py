"""Measures the library against its peers on this machine, in one go: ``python -m benchmarks``."""
