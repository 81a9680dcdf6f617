"""Engine ``leap``."""
