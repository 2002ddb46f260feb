"""Virtual environments that rpm installs, verifies, upgrades and removes."""

__version__ = "0.1.0"
