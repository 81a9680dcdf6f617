"""What theorists do with the mean-field equations: fixed points, their stability, and what follows from it.

:func:`onlinemode.drift` gives the equations themselves to any solver; :func:`onlinemode.fixed_points`,
:func:`onlinemode.critical_rate`, :func:`onlinemode.noise_floor` and :func:`onlinemode.escape_law` are built on it.
Equations and checks: docs/theory, section 19.
"""
