"""Benchmarks: the product beside dlt and beside the least work that any program must do."""
