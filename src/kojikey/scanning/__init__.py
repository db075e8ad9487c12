"""Finding keys in bytes: in files, in git's objects, in a stream. Knows the model alone, and shows no value."""
