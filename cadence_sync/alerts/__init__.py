"""Alerts: routes events to channels, renders messages and sends those of the outbox."""
