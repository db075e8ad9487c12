"""The words of the product as types: secrets, keys and their versions, verdicts, errors. Imports nothing of ours."""
