"""Where wheels come from."""
