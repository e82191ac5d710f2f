"""The version, and nothing that needs to be imported to read it."""

__version__ = "1.0.0"
