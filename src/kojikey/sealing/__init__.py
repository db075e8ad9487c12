"""Seals and opens keys, and the KEK sources. Knows no stores or providers."""
