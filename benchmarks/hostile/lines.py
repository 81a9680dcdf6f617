"""Random command lines of onlinemode, made from its own commands and options."""

import shlex
from typing import NamedTuple

import click

from hostile.tomls import random_options, random_overlaps, random_sweep
from hostile.words import ENCODINGS, ENVIRONMENTS, REDIRECTIONS, SHARES, SMALL, STRANGE, USUAL, usual_values

TOML_SHARE = 0.35  # of the lines of a command with --config that have a random file there


class Line(NamedTuple):
    """A command line; ``environment`` and ``redirection`` need the shell, ``files`` are written before it runs."""

    arguments: list
    encoding: str = "utf-8"
    environment: dict = {}
    redirection: str = ""
    files: dict = {}

    @property
    def needs_shell(self):
        return bool(self.environment or self.redirection)

    def __str__(self):
        words = [f"{name}={value}" for name, value in self.environment.items()] + ["onlinemode"]
        words += [shlex.quote(argument) for argument in self.arguments] + [self.redirection]
        text = " ".join(word for word in words if word) + ("" if self.encoding == "utf-8" else f"  [{self.encoding}]")
        for name, content in self.files.items():
            text += f"\n    {name}: {content[:300]!r} ({len(content):,} bytes)"
        return text.encode("unicode_escape").decode()[:1200]


def commands():
    """All commands that there are, in the words that call them, to the command of click."""
    from onlinemode.cli.main import onlinemode

    found = {}

    def visit(command, words):
        if not isinstance(command, click.Group):
            found[" ".join(words)] = command
            return
        for name in command.list_commands(None):
            visit(command.get_command(None, name), (*words, name))

    visit(onlinemode, ())
    return found


def random_line(generator, shell=0.0):
    """A line; the share ``shell`` of them runs in a shell with unusual streams or environment."""
    known = commands()
    name = generator.choices(list(known), [SHARES.get(name, 2) for name in known])[0]
    arguments, files = _arguments(generator, name, known[name])
    if generator.random() < 0.03:
        extra = generator.choice(["--help", "--nonsense", "-q", "--", "x"])
        arguments.insert(generator.randrange(len(arguments) + 1), extra)
    if generator.random() < 0.01:
        arguments = arguments[1:]
    if generator.random() >= shell:
        return Line(arguments, generator.choice([*ENCODINGS, "utf-8", "utf-8", "utf-8"]), files=files)
    arguments = [argument for argument in arguments if "\0" not in argument]
    environment = generator.choice([{}, generator.choice(ENVIRONMENTS)])
    return Line(arguments, "utf-8", environment, generator.choice(REDIRECTIONS) if not environment else
                generator.choice(["", "", generator.choice(REDIRECTIONS)]), files)


def _arguments(generator, name, command):
    """The arguments of a command, and the files that they need."""
    arguments, files = name.split() + list(SMALL.get(name, [])), {}
    strange = generator.choice([0.0, 0.0, 0.0, 0.1, 0.4])
    options = [each for each in command.params if isinstance(each, click.Option)]
    names = [each.name for each in options]
    chosen = generator.sample(options, min(len(options), generator.choice([0, 1, 1, 2, 3, 5, 8])))
    if name == "sweep" and generator.random() < 0.7:
        chosen = [each for each in options if each.name == "over"] + chosen
    if generator.random() < 0.6 and "plot" in names:
        arguments += ["--no-plot"]
    for option in chosen:
        arguments += _option(generator, option, strange)
    if "config" in names and generator.random() < TOML_SHARE:
        files["random.toml"] = random_options(generator, names)
        arguments += ["--config", "random.toml"]
    if "start" in names and generator.random() < 0.1:
        files["random_overlaps.toml"] = random_overlaps(generator)
        arguments += ["--start", "random_overlaps.toml"]
    for argument in (each for each in command.params if isinstance(each, click.Argument)):
        pool = USUAL["deep files"] if name.startswith("deep") and argument.nargs == -1 else USUAL[argument.name]
        count = generator.choice([0, 1, 1, 1, 2, 3]) if argument.nargs == -1 else 1
        if name == "sweep":
            pool, count = USUAL["sweep files"], generator.choice([0, 0, 1])
            if generator.random() < TOML_SHARE:
                files["random_sweep.toml"] = random_sweep(generator, names)
                pool, count = ["random_sweep.toml"], 1
        arguments += [_value(generator, pool, strange) for _ in range(count)]
    return arguments, files


def _option(generator, option, strange):
    name = generator.choice([*option.opts, *option.secondary_opts])
    if option.name == "animated":  # drawing 200 frames takes half a minute
        return [name, "--seconds", "0.2"]
    if option.is_flag:
        return [name]
    return [name, _value(generator, usual_values(option), strange)]


def _value(generator, usual, strange):
    return generator.choice(STRANGE if generator.random() < strange else usual)
