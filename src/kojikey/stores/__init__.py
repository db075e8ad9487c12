"""Stores keep small documents and replace them atomically. They never see plaintext, and know nothing about sealing."""
