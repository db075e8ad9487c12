"""``kojikey scan``: looks for keys where they should not be."""
