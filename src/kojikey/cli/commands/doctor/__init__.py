"""``kojikey doctor``: checks the whole set-up, and shows the findings."""
