"""``kojikey store``: a module for each of its commands."""
