"""visual-her: visual hindsight experience replay on the Fetch tasks, in code that is meant to be read."""

__version__ = "0.1.0"
