"""Keys that are created, disabled and deleted at the provider."""
