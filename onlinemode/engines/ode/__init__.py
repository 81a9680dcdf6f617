"""Engine ``ode``."""
