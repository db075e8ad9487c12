"""``kojikey audit``: the events, and their verification."""
