"""Generators of committed files: reference pages, pictures, BI descriptions. `make help` lists them."""
