"""Use cases. No printing, prompting, environment or exiting: they take what they need and return frozen results."""
