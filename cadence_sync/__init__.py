"""Copies the configuration of Zoho CRM cadences into Postgres and keeps its complete history."""

__version__ = "0.1.0"
