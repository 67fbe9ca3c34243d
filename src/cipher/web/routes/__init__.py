"""REST: the endpoints of the protocol, one class per subject, each with its own router."""
