"""A dashboard in the terminal."""
