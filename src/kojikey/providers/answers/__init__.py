"""What an answer of a provider means. Pure: no requests, no asyncio."""
