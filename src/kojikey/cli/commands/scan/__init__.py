"""``kojikey scan``: looks for keys in plain text."""
