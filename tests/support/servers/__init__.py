"""Real and simulated servers that tests start."""
