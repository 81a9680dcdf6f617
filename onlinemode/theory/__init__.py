"""Theory of the N → ∞ limit, on plain arrays."""
