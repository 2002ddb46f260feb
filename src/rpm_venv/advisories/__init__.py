"""What is known to be wrong with which version of which distribution: OSV records, evaluated."""
