"""From a wheel to an object in the store."""
