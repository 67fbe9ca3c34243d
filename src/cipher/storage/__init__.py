"""Where conversations are kept: one seam, its backends, and the manager that looks after them."""
