"""Providers: their definitions, the requests of a test, and the judge. Knows nothing of stores or sealing."""
