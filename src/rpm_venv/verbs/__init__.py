"""One module per verb of the command: read, plan, apply, report."""
