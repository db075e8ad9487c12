"""The command line: the only part that knows the terminal, the environment and exit codes."""
