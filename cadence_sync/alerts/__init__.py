"""Alerts: what the outbox holds goes to the channels of the settings."""
