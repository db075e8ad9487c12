"""Sealing: plaintext to record and back, and the KEK sources. Knows nothing of stores or providers."""
