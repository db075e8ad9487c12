"""Key-encryption keys: one module for each source."""
