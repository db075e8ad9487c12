"""Reading a command line: what a command takes, the quick reader, Typer, and the guard against keys as arguments."""
