"""Engine ``chain``."""
