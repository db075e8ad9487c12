"""Settings of the program: options, environment and config.toml."""
