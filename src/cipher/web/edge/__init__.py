"""What stands before every route: who may ask, how often, and what is written down about it."""
