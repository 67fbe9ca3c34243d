"""A cache in front of the database: what it may know, what it may never decide."""
