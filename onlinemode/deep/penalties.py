"""What regularises an SVD layer: nearly orthonormal modes, few strengths.  Not part of the loss or of Adam's moments.

For W = U diag(|s|) Vᵀ of rank r,

    30/r² ‖UᵀU − 1‖²    30/r² ‖VᵀV − 1‖²    ‖s‖₁/‖s‖₂

The gradients, times the learning rate, are subtracted beside Adam's step.
"""

ORTHOGONALITY = 30.0
SPARSITY = 1.0


class Penalty:
    """The gradients of these terms for the layers of a network.

    Parameters
    ----------
    xp : module
    layers : list of onlinemode.deep.layers.Modes
    """

    def __init__(self, xp, layers):
        self._xp = xp
        self._terms = [(layer, xp.eye(layer.modes, dtype=layer.xi_in.dtype), xp.empty_like(layer.xi_in),
                        xp.empty_like(layer.strengths), xp.empty_like(layer.xi_out)) for layer in layers]

    def evaluate(self):
        """Compute them at the present factors."""
        xp = self._xp
        for layer, unit, xi_in, strengths, xi_out in self._terms:
            factor = ORTHOGONALITY * 4.0 / layer.modes**2
            xp.matmul(layer.xi_in @ layer.xi_in.T - unit, layer.xi_in, out=xi_in)
            xp.matmul(layer.xi_out, layer.xi_out.T @ layer.xi_out - unit, out=xi_out)
            xi_in *= factor
            xi_out *= factor
            s = layer.strengths
            norm = xp.sqrt(xp.sum(s * s))
            strengths[:] = SPARSITY * (xp.sign(s) / norm - s * (xp.sum(xp.abs(s)) / norm**3))

    def apply(self, rate):
        """Subtract what :meth:`evaluate` found, times the rate."""
        for layer, _, *gradients in self._terms:
            for factor, gradient in zip((layer.xi_in, layer.strengths, layer.xi_out), gradients):
                gradient *= rate
                factor -= gradient
