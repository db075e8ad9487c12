"""The terms of the product as types: secrets, keys and their versions, verdicts, errors. Imports no other package."""
