"""``kojikey rotate``: replaces a key by a new one, creates it at the provider, or rotates all keys that are due."""
