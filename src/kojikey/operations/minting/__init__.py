"""Keys that are made, disabled and deleted at the provider."""
