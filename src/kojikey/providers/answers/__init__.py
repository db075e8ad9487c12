"""Judges the answers of providers. Pure: no requests, no asyncio."""
