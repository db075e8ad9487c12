"""``kojikey audit``: shows the events, or verifies them."""
