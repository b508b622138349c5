"""The reference pages, from settings, commands, routes, metrics, tables and data centers."""
