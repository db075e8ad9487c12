"""Requests to providers: one test of a key, its retries and its pace."""
