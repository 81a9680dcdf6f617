"""Engine ``micro``."""
