"""Requests to providers: the test of a key, retries, rate limits, and worker processes for many keys."""
