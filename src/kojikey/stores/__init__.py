"""Stores keep small documents and swap them atomically. They never see plaintext, and know nothing of sealing."""
