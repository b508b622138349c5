"""Benchmarks: the product against dlt, and against a floor of minimal work."""
