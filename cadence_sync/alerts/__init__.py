"""Alerts: routes events to channels, renders messages and sends what the outbox holds."""
