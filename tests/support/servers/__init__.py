"""Real servers and stand-ins that tests start."""
