"""Random TOML files: options of runs, sweeps and overlaps, with what fits, what does not, and damage to the bytes."""

from hostile.words import STRANGE, USUAL

SWEEP_KEYS = ("over", "seeds", "observables", "runs", "make")
UNKNOWN = ("etaa", "eta.a", "a.b.c", '""', '"\\u0000"', "'ü'", "ü", "N ", "__class__", "config", "x" * 3000)
VALUES = [  # of TOML, valid and not
    "nan", "-inf", "1e999", "1e-999", "-0.0", "0", "-1", "0x10", "0o17", "0b1", "1_000", "1__0", "+1", "01", "9" * 30,
    "9" * 400, "9" * 5000, "1e" + "9" * 5000, "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "2020-13-45", '""',
    '"x"', "'''a\nb'''", '"""\n"""', '"\\u0000"', '"\\uD800"', '"\\U00110000"', '"ü ε 日本"', '"nan"', '"1e4"', "[]",
    "[[]]", '[1, "a"]', "{}", "{a = 1}", "{a.b.c = {}}", "[{a = 1}, {}]", "true", "false", "[1, 2, 3]", "[1, [2, [3]]]",
    "[nan, inf]", "[true]", "[1979-05-27]", '["a", "a"]', "[0.1, 0.9,]", "x", "=", "", "[", "{", '"', "'''"]
LARGE = (lambda: "[" * 500 + "]" * 500, lambda: "[" * 20_000 + "]" * 20_000,
         lambda: "{a = " * 20_000 + "1" + "}" * 20_000, lambda: "[" + "1, " * 100_000 + "]",
         lambda: '"' + "x" * 2_000_000 + '"', lambda: "[" + "[], " * 50_000 + "]", lambda: "9" * 1_000_000,
         lambda: "[" + "9" * 5000 + "]", lambda: "[" * 100_000)
OVER = ['eta = "1:2:2"', "eta = [1, 2]", "eta = 1", "eta = []", "eta = [1, 'a']", "eta = [nan, nan]", "eta = {a = 1}",
        '"noise,batch" = [[0, 1], [0.1, 2]]', '"noise,batch" = [[0], [0.1, 2]]', '"noise,batch" = [0, 1]', "out = [1]",
        'csv = "points.csv"', 'csv = "gone.csv"', "csv = 1", "seed = [0, 1]", 'activation = ["erf", "tanh"]',
        '"" = [1]', "eta.a = [1]", "eta = [1979-05-27]", 'eta = "::::"', "eta = [[[1]]]", "N = [20, 1e400]",
        "K = [1.5]", "fresh_students = [true, false]", 'init = ["paper", 1]', "eta = [true]", "eta = [1, 1]",
        "alpha = [-1, 1]", 'eta = "1:2:99999999"', 'N = "1e2:1e6:3:log"', "eta = [" + "9" * 400 + "]"]
OWN = {"seeds": ["2", "0", "-1", "[0, 5]", "[]", "[0, 0]", '"2"', "1.5", "true", "[true]", "[nan]", "9" * 400,
                 "99999999"],
       "observables": ['"Q"', '["Q", "R"]', "[]", '"none"', '["frob"]', "[1]", "[[]]", '""', '["Q", "Q"]'],
       "runs": ["true", "false", "1", '"yes"'],
       "make": ['"points.csv:x"', '"gone.py:make"', '"math:sin"', '"os:getcwd"', '""', '":"', "1", '"make.py:make"',
                '"make.py:gone"', '"make.py:broken"', '"math:pi"']}
OVERLAPS = {
    "Q": ["[[1.0, 0.0], [0.0, 1.0]]", "[[1, 0.2], [0.2, 1]]", "[[1]]", "[[1, 2], [2, 1]]", "[[1, 0], [1, 1]]",
          "[[nan, 0], [0, 1]]", "[[1e308, 0], [0, 1e308]]", "[[0, 0], [0, 0]]", "[[1e-320, 0], [0, 1]]"],
    "R": ["[[0.1, 0.0], [0.0, 0.2]]", "[[0.1], [0.2]]", "[[0.1]]", "[[5, 5], [5, 5]]", "[[0.1, 0.0, 0.0], [0, 0, 0]]",
          "[[inf, 0], [0, 0]]"],
    "T": ["[[1.0, 0.0], [0.0, 1.0]]", "[[1]]", "[[-1, 0], [0, 1]]", "[[1, 0, 0], [0, 1, 0], [0, 0, 1]]"],
    "G": ["[[1.0, 0.0], [0.0, 1.0]]", "[[1]]"], "S": ["[[0.1, 0.0], [0.0, 0.2]]", "[[0.1]]"],
    "strengths": ["[1, 2]", "[1]", "[[1, 2]]", "[nan, 1]"], "xi_out": ["[[1, 0], [0, 1]]", "[[1]]", "[1, 2]"],
    "readout": ['"mean"', '"sum"', '"sqrt"', '"frob"', "[1, 1]", "[1]", "[nan, 1]", "1"],
    "teacher_readout": ['"mean"', "[1, 1]", "[]", "[[1]]"]}
RAGGED = ["[[1], [1, 2]]", "[[], []]", "[]", "[[1, 'a']]", "[[[1]]]", "[[true, 1]]", "[[" + "9" * 400 + "]]",
          "[[1979-05-27]]", "[{a = 1}]", "[" + "[" + "1, " * 400 + "], " * 400 + "]"]


def random_options(generator, names):
    """The bytes of a file of options, some of ``names``."""
    lines = [f"{name} = {_option_value(generator, name)}" for name in
             generator.sample(names, min(len(names), generator.choice([0, 1, 1, 2, 3, 6])))]
    return _written(generator, lines)


def random_sweep(generator, names):
    """The bytes of a SWEEP.toml."""
    chosen = [name for name in names if name != "over"]
    lines = [f"{name} = {_option_value(generator, name)}" for name in
             generator.sample(chosen, min(len(chosen), generator.choice([0, 0, 1, 2])))]
    for name in SWEEP_KEYS[1:]:
        if generator.random() < 0.2:
            lines.append(f"{name} = {generator.choice(OWN[name] if generator.random() < 0.8 else VALUES)}")
    if generator.random() < 0.1:
        lines.append(f"over = {generator.choice(VALUES)}")
    else:
        lines += ["[over]", *generator.sample(OVER, generator.choice([0, 1, 1, 1, 2, 3]))]
    return _written(generator, lines)


def random_overlaps(generator):
    """The bytes of an OVERLAPS.toml."""
    names = generator.choice([["Q", "R", "T"], ["G", "S", "T", "strengths", "xi_out"], list(OVERLAPS)])
    names = names + generator.choice([[], [], ["readout"], ["readout", "teacher_readout"]])
    calm = generator.random() < 0.3  # the first values fit together
    lines = []
    for name in dict.fromkeys(names):
        if calm or generator.random() < 0.6:
            lines.append(f"{name} = {OVERLAPS[name][0]}")
        elif generator.random() < 0.9:
            lines.append(f"{name} = {generator.choice(generator.choice([OVERLAPS[name], RAGGED, VALUES]))}")
    return _written(generator, lines)


def _option_value(generator, name):
    if generator.random() < 0.3:
        return _any_value(generator)
    word = generator.choice(USUAL.get(name, STRANGE))
    try:
        float(word)
    except ValueError:
        word = word.encode("utf-8", "replace").decode()
        return "true" if generator.random() < 0.1 else '"' + word.replace("\\", "\\\\").replace("\n", " ") + '"'
    return word if generator.random() < 0.8 else f'"{word}"'


def _any_value(generator):
    return generator.choice(LARGE)() if generator.random() < 0.15 else generator.choice(VALUES)


def _written(generator, lines):
    """Lines as bytes, sometimes with more of them, and sometimes damaged."""
    if generator.random() < 0.25:
        extra = generator.choice([
            lambda: f"{generator.choice(UNKNOWN)} = {_any_value(generator)}", lambda: "[eta]\nx = 1",
            lambda: "[[runs]]", lambda: lines[0] if lines else "eta = 1", lambda: "[a]\n[a]",
            lambda: "#" + "x" * 1_000_000, lambda: "a." * 5000 + "a = 1", lambda: "[" + "a." * 5000 + "a]",
            lambda: "eta = 1\neta.x = 2", lambda: "\n" * 100_000, lambda: "eta = 1 # \0",
            lambda: "eta = 1\r# \r", lambda: "  = 1",
            lambda: "= 1"])()
        lines = [*lines]
        lines.insert(generator.randrange(len(lines) + 1), extra)
    content = generator.choice(["\n", "\n", "\n", "\r\n"]).join([*lines, ""]).encode("utf-8", "surrogatepass")
    return _damaged(generator, content) if generator.random() < 0.2 else content


def _damaged(generator, content):
    kind = generator.randrange(8)
    text = content.decode("utf-8", "replace")
    if kind == 0:
        return b"\xef\xbb\xbf" * generator.choice([1, 2]) + content
    if kind == 1:
        return text.encode(generator.choice(["utf-16", "utf-16-le", "utf-32"]))
    if kind == 2:
        return ("# \u00fc\n" + text).encode("latin-1", "replace")
    place = generator.randrange(len(content) + 1)
    if kind == 3:
        return content[:place]
    if kind == 4:
        odd = generator.choice([b"\0", b"\x1b", b"\xff", b"\r", b"\x7f", b"\xed\xa0\x80"])
        return content[:place] + odd + content[place:]
    if kind == 5:
        changed = bytearray(content or b"x")
        changed[min(place, len(changed) - 1)] ^= 1 << generator.randrange(8)
        return bytes(changed)
    if kind == 6:
        return generator.randbytes(200)
    return content + b"\0" * 100
