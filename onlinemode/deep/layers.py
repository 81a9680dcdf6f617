"""Layers: W itself, or its modes W = ξ_out diag(Σ) ξ_in, forward and backward without forming W.

A batch is a matrix of rows a (samples, N_in).  With δ = ∂loss/∂z of the layer's output z = a Wᵀ,

    h = a ξ_inᵀ      u = h ∘ Σ      z = u ξ_outᵀ
    ∂ξ_out = δᵀ u    du = δ ξ_out   ∂Σ = Σ_batch du ∘ h    dh = du ∘ Σ    ∂ξ_in = dhᵀ a    da = dh ξ_in

which costs P(N_in + N_out) multiplications a sample and direction, against N_in N_out.  Layers own no
memory: factors and gradients are views into the network's flat buffers, everything else is a workspace.
"""


class Dense:
    """W itself, the standard baseline.

    Attributes
    ----------
    weights : array (N_out, N_in)
    """

    def __init__(self, xp, weights, gradient):
        self._xp, self.weights, self._gradient = xp, weights, gradient

    @property
    def multiplications(self):
        """Of the forward pass of one sample."""
        return self.weights.size

    def matrix(self):
        """W, (N_out, N_in), a copy."""
        return self.weights.copy()

    def workspace(self, rows):
        """Buffers for this many samples."""
        return {}

    def forward(self, a, out, work):
        """``out`` = a Wᵀ."""
        self._xp.matmul(a, self.weights.T, out=out)

    def backward(self, a, delta, d_input, work):
        """The gradient of W, and that of the layer's input into ``d_input`` unless it is None."""
        self._xp.matmul(delta.T, a, out=self._gradient)
        if d_input is not None:
            self._xp.matmul(delta, self.weights, out=d_input)


class Modes:
    """W = ξ_out diag(Σ) ξ_in.

    Parameters
    ----------
    xp : module
    xi_in, strengths, xi_out : arrays (P, N_in), (P,), (N_out, P)
    gradients : dict
        Arrays of the same shapes under the same names, for those that are trained.
    absolute : bool
        The layer is ξ_out diag(|Σ|) ξ_in.
    shared_out : bool
        ξ_out is the transpose of the next layer's ξ_in: its gradient is added to what that layer left.

    Attributes
    ----------
    xi_in, strengths, xi_out : arrays
    """

    def __init__(self, xp, xi_in, strengths, xi_out, gradients, absolute=False, shared_out=False):
        self._xp = xp
        self.xi_in, self.strengths, self.xi_out = xi_in, strengths, xi_out
        self._gradients, self.absolute, self._shared_out = gradients, absolute, shared_out
        self._frozen = "strengths" not in gradients

    @property
    def modes(self):
        """P, the number of modes."""
        return self.strengths.shape[0]

    @property
    def multiplications(self):
        """Of the forward pass of one sample."""
        return self.xi_in.size + self.xi_out.size + (0 if self._frozen else self.modes)

    def matrix(self):
        """W, (N_out, N_in), formed."""
        return (self.xi_out * self._effective()) @ self.xi_in

    def workspace(self, rows):
        """Buffers for this many samples."""
        xp, dtype = self._xp, self.xi_in.dtype
        work = {name: xp.empty((rows, self.modes), dtype) for name in ("fields", "scaled", "d_fields")}
        if self._shared_out:
            work["d_shared"] = xp.empty((self.modes, self.xi_out.shape[0]), dtype)
        return work

    def _effective(self):
        return self._xp.abs(self.strengths) if self.absolute else self.strengths

    def forward(self, a, out, work):
        """``out`` = a Wᵀ."""
        xp, fields, scaled = self._xp, work["fields"], work["scaled"]
        xp.matmul(a, self.xi_in.T, out=fields)
        xp.multiply(fields, self._effective(), out=scaled)
        xp.matmul(scaled, self.xi_out.T, out=out)

    def backward(self, a, delta, d_input, work):
        """The gradients of the factors, and that of the layer's input into ``d_input`` unless it is None."""
        xp, fields, d_fields = self._xp, work["fields"], work["d_fields"]
        if self._shared_out:
            xp.matmul(work["scaled"].T, delta, out=work["d_shared"])
            shared = self._gradients["xi_out"].T
            xp.add(shared, work["d_shared"], out=shared)
        else:
            xp.matmul(delta.T, work["scaled"], out=self._gradients["xi_out"])
        xp.matmul(delta, self.xi_out, out=d_fields)
        if not self._frozen:
            xp.multiply(fields, d_fields, out=fields)
            fields.sum(axis=0, out=self._gradients["strengths"])
            if self.absolute:
                self._gradients["strengths"] *= xp.sign(self.strengths)
        xp.multiply(d_fields, self._effective(), out=d_fields)
        xp.matmul(d_fields.T, a, out=self._gradients["xi_in"])
        if d_input is not None:
            xp.matmul(d_fields, self.xi_in, out=d_input)
