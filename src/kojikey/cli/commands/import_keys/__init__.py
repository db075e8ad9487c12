"""``kojikey import``: reads sources, plans, saves keys and prints the results."""
