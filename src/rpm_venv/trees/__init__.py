"""What a generation contains, and the generations of an environment."""
