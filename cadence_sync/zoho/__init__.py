"""The Zoho side: tokens, requests, and a listing as a source of cadences."""
