"""The operations of kojikey. They take all input as arguments and return frozen results: no printing, no prompts."""
