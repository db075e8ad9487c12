"""``kojikey sandbox``: plays the providers, and shows the tour."""
