"""``kojikey test``: tests one key or thousands, and reports the results."""
