"""``kojikey sandbox``: plays the providers, and the tour."""
