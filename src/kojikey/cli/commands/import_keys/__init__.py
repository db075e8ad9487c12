"""``kojikey import``: from sources over a plan to saved keys, and the output."""
