"""Object storage as a kind of source. What the package offers to others is in ``kind``."""
