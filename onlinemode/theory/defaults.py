"""Constants of the quadrature that the options of engine ode show, without anything to import."""

DEFAULT_NODES = 2**14
NODE_SEED = 20230208
