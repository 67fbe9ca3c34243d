"""Endpoints that speak Chat Completions: the wire format, and the model that uses it."""
