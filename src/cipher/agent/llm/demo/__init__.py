"""The demonstration that answers while no language model is set."""
