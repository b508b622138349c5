"""Generators of what is committed: reference pages, pictures, BI descriptions. `make help` lists them."""
