"""PyTorch layers against the networks of this package, and conversion of trained models; needs PyTorch."""

import subprocess
import sys
from collections import deque

import numpy as np
import pytest

from onlinemode import deep
from onlinemode.deep.importance import importance
from onlinemode.errors import ParameterError

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.nn.utils import prune  # noqa: E402

from onlinemode.deep.torch import (  # noqa: E402
    ModeConv2d,
    ModeLinear,
    convert,
    from_dense,
    importances,
    mode_layers,
)

SIZES = (7, 9, 8, 5)


def twin(network):
    """The same network of PyTorch layers, its values copied; shared modes are one parameter."""
    layers = []
    for layer in network.layers:
        N_out, P = layer.xi_out.shape
        new = ModeLinear(layer.xi_in.shape[1], N_out, P, dtype=torch.float64)
        with torch.no_grad():
            for name in ("xi_in", "strengths", "xi_out"):
                getattr(new, name).copy_(torch.from_numpy(np.array(getattr(layer, name))))
        layers += [new, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("variant", ["1L2P", "two-factor", "1L1P"])
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_gradients_are_those_of_the_network(variant, loss):
    network = deep.Network(SIZES, variant, modes=4, seed=3, precision="float64", loss=loss)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 7)), rng.integers(0, 5, 30)
    model = twin(network)
    z = model(torch.from_numpy(x))
    assert np.allclose(z.detach().numpy(), network.forward(x), rtol=1e-12, atol=1e-13)
    if loss == "mse":
        value = 0.5 * ((z - functional.one_hot(torch.from_numpy(y), 5)) ** 2).sum(1).mean()
    else:
        value = functional.cross_entropy(z, torch.from_numpy(y))
    value.backward()
    assert value.item() == pytest.approx(network.loss(x, y), rel=1e-12)
    ours = network.gradients(x, y)
    theirs = {f"{name}_{l}": getattr(model[2 * l], name).grad.numpy() for l in range(3)
              for name in ("xi_in", "strengths", "xi_out")}
    if variant == "1L1P":  # one parameter in two layers: both gradients
        for l in (0, 1):
            theirs[f"xi_in_{l + 1}"] = theirs[f"xi_in_{l + 1}"] + theirs[f"xi_out_{l}"].T
    assert ours
    for name, gradient in ours.items():
        scale = np.abs(gradient).max()
        assert scale > 1e-6 and np.abs(theirs[name] - gradient).max() < 1e-12 * scale, name


def test_initial_values_are_ours():
    torch.manual_seed(0)
    layer = ModeLinear(784, 300, 50, bias=True)
    size = (784 * np.log(784)) ** (-1 / 6)
    for name, count in (("xi_in", 784 * 50), ("xi_out", 300 * 50), ("strengths", 50)):
        values = getattr(layer, name).detach().numpy()
        assert values.std() == pytest.approx(size, rel=5.0 / np.sqrt(2 * count)), name
        assert abs(values.mean()) < 5.0 * size / np.sqrt(count)
    assert not layer.bias.any()
    first = layer.xi_in.detach().clone()
    torch.manual_seed(0)
    assert torch.equal(ModeLinear(784, 300, 50, bias=True).xi_in, first)


def test_no_matrix_is_formed():
    layer = ModeLinear(3000, 2000, 4)
    seen = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: seen.append(t.numel()) or t, lambda t: t):
        layer(torch.randn(5, 3000)).sum().backward()
    assert seen and max(seen) <= 5 * 3000


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(4, 11), (2, 3, 11), (11,)])
def test_linear_from_dense_at_full_rank(bias, shape):
    torch.manual_seed(1)
    dense = nn.Linear(11, 6, bias=bias, dtype=torch.float64).eval()
    x = torch.randn(shape, dtype=torch.float64)
    made = from_dense(dense, 6)
    assert torch.allclose(made(x), dense(x), atol=1e-12) and not made.training
    assert torch.allclose(made.matrix, dense.weight, atol=1e-12)
    cut = from_dense(dense, 2).matrix
    singular = torch.linalg.svdvals(dense.weight)
    assert (cut - dense.weight).norm().item() == pytest.approx((singular[2:] ** 2).sum().sqrt().item())


@pytest.mark.parametrize("options", [
    {}, {"stride": 2, "padding": 1}, {"padding": "same", "bias": False}, {"dilation": 2, "kernel_size": (3, 2)}])
def test_convolution_from_dense_at_full_rank(options):
    torch.manual_seed(2)
    dense = nn.Conv2d(**{"in_channels": 3, "out_channels": 5, "kernel_size": 3, "dtype": torch.float64, **options})
    for x in (torch.randn(2, 3, 9, 8, dtype=torch.float64), torch.randn(3, 9, 8, dtype=torch.float64)):
        assert torch.allclose(from_dense(dense, 5)(x), dense(x), atol=1e-12)


def test_convolution_is_the_matrix_on_patches():
    torch.manual_seed(3)
    layer = ModeConv2d(3, 5, 2, modes=4, bias=True, dtype=torch.float64)
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    patches = functional.unfold(x, 2)
    expected = (layer.matrix @ patches).reshape(2, 5, 5, 5) + layer.bias[:, None, None]
    assert torch.allclose(layer(x), expected, atol=1e-12)
    layer(x).square().sum().backward()
    W = layer.matrix.detach().requires_grad_()
    direct = ((W @ patches).reshape(2, 5, 5, 5) + layer.bias.detach()[:, None, None]).square().sum()
    direct.backward()  # ∂ξ_in = diag(Σ) ξ_outᵀ ∂W and so on
    xi_in, s, xi_out = (each.detach() for each in (layer.xi_in, layer.strengths, layer.xi_out))
    assert torch.allclose(layer.xi_in.grad, s[:, None] * (xi_out.T @ W.grad), atol=1e-10)
    assert torch.allclose(layer.xi_out.grad, W.grad @ xi_in.T * s, atol=1e-10)
    assert torch.allclose(layer.strengths.grad, ((xi_out.T @ W.grad) * xi_in).sum(1), atol=1e-10)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.depthwise = nn.Conv2d(4, 4, 3, groups=4)
        self.block = nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 12))
        self.again = self.block[2]
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        h = self.depthwise(torch.relu(self.conv(x))).flatten(1)
        return self.head(torch.relu(self.again(torch.relu(self.block(h)))))


def test_convert_a_model():
    torch.manual_seed(4)
    model = Model().double()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.randn(6, 1, 6, 6, dtype=torch.float64)
    assert model(x).shape == (6, 3)
    full = convert(model, 100)
    assert torch.allclose(full(x), model(x), atol=1e-10)
    small = convert(model, 2, skip="head")
    kinds = {name: type(layer).__name__ for name, layer in small.named_modules()}
    assert kinds["conv"] == "ModeConv2d" and kinds["depthwise"] == "Conv2d" and kinds["head"] == "Linear"
    assert kinds["block.0"] == "ModeLinear" and small.again is small.block[2]
    assert set(mode_layers(small)) == {"conv", "block.0", "block.2"}
    assert type(convert(model, 2, skip=["block"]).block[0]) is nn.Linear
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    small(x).sum().backward()
    assert all(parameter.grad is not None for parameter in small.parameters())
    other = convert(model, 2, skip="head")
    other.load_state_dict(small.state_dict())
    assert torch.equal(other(x), small(x))
    assert isinstance(convert(nn.Linear(4, 4), 2), ModeLinear)


def test_attention_stays_usable():
    """Its output layer is a subclass whose weight is read directly."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    small = convert(layer, 3)
    assert type(small.linear1) is ModeLinear and not isinstance(small.self_attn.out_proj, ModeLinear)
    assert small(torch.randn(2, 5, 8)).shape == (2, 5, 8)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
def test_transformers_in_evaluation(layers, grad):
    """PyTorch's fast path reads the weights of linear1 and linear2; with a gradient it is not taken."""
    torch.manual_seed(6)
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dtype=torch.float64)
    model = (model if layers == 1 else nn.TransformerEncoder(model, layers)).eval()
    made, x = convert(model, 100), torch.randn(2, 5, 8, dtype=torch.float64)
    with torch.set_grad_enabled(grad):
        assert torch.allclose(made(x), model(x), atol=1e-10)


def test_code_that_reads_the_weight():
    linear, conv = nn.Linear(5, 4).double(), nn.Conv2d(2, 3, (2, 1)).double()
    made = from_dense(linear, 4), from_dense(conv, 3)
    for dense, modes in zip((linear, conv), made):
        assert torch.allclose(modes.weight, dense.weight, atol=1e-12) and "weight" not in modes.state_dict()
    x = torch.randn(3, 5, dtype=torch.float64)
    gradients = []
    for output in (made[0](x), functional.linear(x, made[0].weight, made[0].bias)):
        gradients.append(torch.autograd.grad(output.square().sum(), list(made[0].parameters())))
    assert all(torch.allclose(one, other, atol=1e-10) for one, other in zip(*gradients))


class Tied(nn.Module):
    def __init__(self, embedding=False):
        super().__init__()
        self.first = nn.Embedding(6, 6) if embedding else nn.Linear(6, 6)
        self.last = nn.Linear(6, 6)
        self.last.weight = self.first.weight

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)))


def test_layers_with_one_weight_share_their_modes():
    torch.manual_seed(7)
    model = Tied()
    model.last.bias = model.first.bias
    made = convert(model, 6)
    assert made.first is not made.last and made.first.xi_in is made.last.xi_in and made.first.bias is made.last.bias
    assert len(list(made.parameters())) == 4
    x = torch.randn(3, 6)
    assert torch.allclose(made(x), model(x), atol=1e-5)
    torch.optim.SGD(made.parameters(), 0.1).step()
    assert torch.equal(made.first.matrix, made.last.matrix)


@pytest.mark.parametrize("model, skip, message", [
    (Tied(embedding=True), (), "the weight of last is also weight of first, which stays dense"),
    (Tied(), ("first",), "the weight of last is also weight of first, which stays dense")])
def test_ties_to_what_stays_dense(model, skip, message):
    with pytest.raises(ParameterError, match=message):
        convert(model, 3, skip)
    if not skip:
        assert type(convert(nn.Sequential(model, nn.Linear(6, 6)), 3, skip="0")[0].last) is nn.Linear


def test_frozen_layers_stay_frozen():
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3), nn.Linear(3, 3, bias=False))
    model[0].requires_grad_(False)
    model[1].bias.requires_grad_(False)
    made = convert(model, 2)
    trained = {name for name, parameter in made.named_parameters() if parameter.requires_grad}
    assert trained == {f"{layer}.{name}" for layer in (1, 2) for name in ("xi_in", "strengths", "xi_out")}
    assert not any(parameter.requires_grad for parameter in from_dense(model[0], 2).parameters())


def test_hooks_stay():
    model, seen = nn.Sequential(nn.Linear(4, 4), nn.ReLU()), []
    model[0].register_forward_hook(lambda layer, x, y: seen.append("forward") or 2.0 * y)
    model[0].register_forward_pre_hook(lambda layer, x, more: seen.append("pre"), with_kwargs=True)
    model[0].register_full_backward_hook(lambda layer, before, after: seen.append("backward"))
    model[0].register_full_backward_pre_hook(lambda layer, after: seen.append("backward pre"))
    model[0].label = "mine"
    x = torch.randn(3, 4, requires_grad=True)
    expected = model(x)
    seen.clear()
    made = convert(model, 4)
    found = made(x)
    assert isinstance(made[0], ModeLinear) and torch.allclose(found, expected, atol=1e-5)
    found.sum().backward()
    assert seen == ["pre", "forward", "backward pre", "backward"] and made[0].label == "mine"
    made[0].register_forward_hook(lambda layer, x, y: seen.append("new"))
    seen.clear()
    model(x)
    assert "new" not in seen


def hooked(register):
    layer = nn.Linear(4, 4)
    register(layer)
    return nn.Sequential(layer)


@pytest.mark.parametrize("register, message", [
    (lambda layer: layer.weight.register_hook(lambda grad: grad), "weight of 0 has a hook, which a copy does not have"),
    (lambda layer: layer.bias.register_post_accumulate_grad_hook(lambda p: None), "bias of 0 has a hook"),
    (lambda layer: layer._register_state_dict_hook(lambda *a: None), "which its state_dict hooks do not know")])
def test_hooks_that_cannot_stay(register, message):
    with pytest.raises(ParameterError, match=message):
        convert(hooked(register), 2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", [
    nn.utils.spectral_norm, nn.utils.parametrizations.weight_norm,
    lambda layer: setattr(layer, "forward", lambda x: x)])
def test_layers_that_are_more_than_a_weight_stay_dense(change):
    layer = nn.Linear(4, 4)
    layer = change(layer) or layer
    made = convert(nn.Sequential(layer, nn.Linear(4, 4)), 2).eval()
    x = torch.randn(3, 4)
    assert type(made[0]) is type(layer) and torch.equal(made[0](x), layer.eval()(x))
    with pytest.raises(ParameterError, match="this one has more"):
        from_dense(layer, 2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", [nn.utils.weight_norm, lambda layer: prune.l1_unstructured(layer, "weight", 0.5)])
def test_models_that_pytorch_cannot_copy(change):
    with pytest.raises(ParameterError, match="PyTorch cannot copy this model, .*: remove these first"):
        convert(nn.Sequential(change(nn.Linear(4, 4)), nn.Linear(4, 4)), 2)


class Aside(nn.Module):
    """Holds its layer, or its weight, where PyTorch does not see it."""

    def __init__(self, hold):
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.aside = hold(self.layer)


@pytest.mark.parametrize("hold, what", [
    (lambda layer: [layer], "layer"), (lambda layer: {"a": (1, {"b": layer})}, "layer"),
    (lambda layer: [layer.weight], "the weight of layer"), (lambda layer: {layer: 1}, "layer"),
    (lambda layer: deque([frozenset([layer])]), "layer"), (lambda layer: layer.forward, "layer")])
def test_layers_that_python_containers_hold_are_refused(hold, what):
    with pytest.raises(ParameterError, match=f"attribute aside of the model holds {what}, and would hold the dense"):
        convert(Aside(hold), 4)
    assert type(convert(nn.Sequential(Aside(hold), nn.Linear(8, 8)), 4, skip="0")[1]) is ModeLinear
    assert type(convert(Aside(lambda layer: [3, "layer"]), 4).layer) is ModeLinear
    itself = []
    itself.append(itself)
    assert type(convert(Aside(lambda layer: itself), 4).layer) is ModeLinear


def test_importances_are_those_of_the_arrays():
    model = nn.Sequential(ModeConv2d(2, 4, 3, 5), nn.Flatten(), ModeLinear(16, 3, 6))
    found = importances(model)
    for l in ("0", "2"):
        arrays = [getattr(model[int(l)], name).detach().numpy() for name in ("xi_in", "strengths", "xi_out")]
        assert found[l] == pytest.approx(importance(*arrays))
    assert importances(model, "strength")["2"] == pytest.approx(np.abs(model[2].strengths.detach().numpy()))
    factors = mode_layers(model)["0"]
    model[0].strengths.data.zero_()
    assert factors.strengths.any()  # a copy


def test_training_in_modes_learns():
    torch.manual_seed(5)
    layer = ModeLinear(6, 4, 4, dtype=torch.float64)
    x, W = torch.randn(200, 6, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        loss = ((layer(x) - x @ W.T) ** 2).mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3 * (W**2).sum().item()


@pytest.mark.parametrize("call, message", [
    (lambda: ModeLinear(4, 3, 0), "the number of modes P must be a whole number ≥ 1; got 0"),
    (lambda: ModeLinear(1, 3, 1), r"N_in .* must be a whole number ≥ 2; got 1"),
    (lambda: ModeConv2d(2, 3, (3, 3, 3), 2), "kernel_size must be one or two whole numbers"),
    (lambda: ModeConv2d(2, 3, 0, 2), "kernel_size must be a whole number ≥ 1"),
    (lambda: from_dense(nn.Linear(4, 3), 4), "has at most 3 modes; got modes = 4"),
    (lambda: from_dense(nn.ReLU(), 4), "only nn.Linear and nn.Conv2d can be made of modes; got ReLU"),
    (lambda: from_dense(nn.Conv2d(4, 4, 3, groups=2), 4), "got groups = 2"),
    (lambda: from_dense(nn.Conv2d(4, 4, 3, padding_mode="circular"), 4), "padding_mode = 'circular': leave this"),
    (lambda: ModeLinear(4, 3, 2, dtype=torch.complex64), "hold real numbers; got dtype = torch.complex"),
    (lambda: from_dense(nn.Linear(4, 3, dtype=torch.complex64), 2), "must be real; got torch.complex64"),
    (lambda: convert(nn.ReLU(), 4), "no nn.Linear or nn.Conv2d to convert .* got ReLU"),
    (lambda: convert(Model(), 4, skip=["heads"]), "heads is none: see model.named_modules"),
    (lambda: convert(Model(), 0), "modes must be a whole number ≥ 1"),
    (lambda: convert(Model(), 4, skip=3), "skip must be names of layers; got 3"),
    (lambda: convert(3, 4), "model must be a torch.nn.Module; got int"),
    (lambda: convert(nn.Linear(1, 8), 4), "no nn.Linear or nn.Conv2d to convert"),
    (lambda: from_dense(nn.Linear(8, 8, device="meta"), 4), "must have values; this one is on device meta")])
def test_bad_input(call, message):
    with pytest.raises(ParameterError, match=message):
        call()


def test_a_missing_torch_is_one_line():
    code = ("import sys; sys.modules['torch'] = None\n"
            "import onlinemode as om\n"
            "try:\n    import onlinemode.deep.torch\nexcept om.OnlineModeError as problem:\n    print(problem)")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == ("onlinemode.deep.torch needs PyTorch, which is not installed; install onlinemode[torch], "
                             "or use onlinemode.deep without it\n")
