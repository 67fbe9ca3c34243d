"""Conversations as objects: the manager, one session, its history, and the bus of events."""
