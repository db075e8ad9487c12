"""``kojikey rotate``: by hand, at the provider, and of all keys that are due."""
