"""The socket: a cursor over the log and an ear on the bus, for one tab or program each.

Read `connection.py` (one socket's life), then `feed.py` (one subscription), then `outbox.py` (what
waits to be written).
"""
