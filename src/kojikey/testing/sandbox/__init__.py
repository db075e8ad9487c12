"""Plays the providers on a loopback port."""
