"""A host application for local demonstrations: ``python -m examples``."""
