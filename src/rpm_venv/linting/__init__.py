"""Reading spec files, as text alone: the mistakes in them (``rpm-venv lint``)."""
