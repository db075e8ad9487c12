"""``kojikey list``: selects the rows, and prints them."""
