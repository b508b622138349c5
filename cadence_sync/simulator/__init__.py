"""A double of Zoho's accounts and API hosts on loopback, for the demo, tests and first steps."""
