"""A verb's options, read off its job's schema: what the command line, its help and the docs page share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

POSITIONALS = {"models": ("action", "name")}
"""Fields that read better without a flag: `understudy models fetch yunet`."""


@dataclass(frozen=True)
class Option:
    """One field of a job as a person meets it.

    Attributes:
        name: The field's name in the job table and in JSON.
        sentence: What it does.
        kind: `text`, `path`, `whole number`, `number`, `switch`, `choice`, `numbers` or `JSON`.
        required: There is no default.
        default: The default as a person would type it; empty when it is left out.
        choices: The words of a choice.
        count: How many values the flag takes.
        unit: The unit, empty when there is none.
        limits: The range in words, empty when there is none.
        also: Another flag that says the same, empty when there is none.
        formerly: Names of earlier releases.
        stage: Of a swap: the stage that declares it; empty for all else.
        is_open: An installed package may add words to the choice; the job checks them.
    """

    name: str
    sentence: str
    kind: str
    required: bool
    default: str
    choices: tuple[str, ...]
    count: int
    unit: str
    limits: str
    also: str
    formerly: tuple[str, ...]
    stage: str
    is_open: bool

    @property
    def flag(self) -> str:
        """The flag on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def flags(self) -> tuple[str, ...]:
        """The flag, and the other ones that mean it."""
        return (self.flag, self.also) if self.also else (self.flag,)

    @property
    def former_flags(self) -> tuple[str, ...]:
        """Flags of earlier releases: they are read, and not shown."""
        return tuple("--" + name.replace("_", "-") for name in self.formerly)

    @property
    def help(self) -> str:
        """The sentence with unit, range and default, as `--help` shows it."""
        facts = [self.unit, self.limits]
        if self.default:
            facts.append(f"default {self.default}")
        told = ", ".join(fact for fact in facts if fact)
        return f"{self.sentence} ({told})" if told else self.sentence


def describe(schema: Mapping[str, Any]) -> tuple[Option, ...]:
    """The options of a job, in the order of its schema, required ones first."""
    required = schema.get("required", [])
    options = [
        _option(name, {**field, **_sole_type(field)}, required=name in required)
        for name, field in schema["properties"].items()
    ]
    return tuple(sorted(options, key=lambda option: not option.required))


def groups(schema: Mapping[str, Any]) -> list[tuple[str, str, list[Option]]]:
    """A job's options in groups, each with its name and a sentence: needed, optional, and a group a stage."""
    options = describe(schema)
    found = [
        ("needed", "", [option for option in options if option.required]),
        ("optional", "", [option for option in options if not (option.required or option.stage)]),
    ]
    for stage in schema.get("stages", ()):
        mine = [option for option in options if option.stage == stage["name"]]
        found.append((stage["name"], stage["sentence"], mine))
    return [group for group in found if group[2]]


def add_options(parser: argparse.ArgumentParser, verb: str, schema: Mapping[str, Any]) -> None:
    """Give a verb's parser its flags; a flag that is not given leaves no trace in the namespace."""
    for name, sentence, options in groups(schema):
        group = parser.add_argument_group(name, sentence or None)
        for option in options:
            if option.name in POSITIONALS.get(verb, ()):
                # No `choices` here: argparse would hold the absent default against them. The job checks it.
                words = f"{{{','.join(option.choices)}}}" if option.choices else option.name.upper()
                parser.add_argument(
                    option.name, nargs="?", default=argparse.SUPPRESS, metavar=words, help=_escaped(option)
                )
            else:
                _add_flag(group, option)


def _add_flag(group: argparse._ActionsContainer, option: Option) -> None:
    if option.kind == "switch":
        kind: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
    else:
        kind = {
            "choices": None if option.is_open else option.choices or None,
            "nargs": option.count if option.count > 1 else None,
            "metavar": _metavar(option),
        }
    group.add_argument(
        *option.flags, dest=option.name, default=argparse.SUPPRESS, help=_escaped(option), **kind
    )
    for flag, name in zip(option.former_flags, option.formerly, strict=True):
        group.add_argument(flag, dest=name, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **kind)


def _escaped(option: Option) -> str:
    return option.help.replace("%", "%%")


def given_values(arguments: argparse.Namespace, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The job fields that were given on the command line, still as text."""
    names = {name for option in describe(schema) for name in (option.name, *option.formerly)}
    return {name: value for name, value in vars(arguments).items() if name in names}


def missing_flags(values: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The flags of the required fields that have no value yet."""
    return tuple(o.flag for o in describe(schema) if o.required and o.name not in values)


def _metavar(option: Option) -> str | tuple[str, ...] | None:
    if option.choices:
        return f"{{{','.join(option.choices)}}}" if option.is_open else None
    if option.count > 1:
        return ("LEFT", "TOP", "RIGHT", "BOTTOM") if option.count == 4 else ("N",) * option.count
    return {"text": "TEXT", "path": "PATH", "whole number": "N", "number": "X", "JSON": "JSON"}[option.kind]


def _sole_type(field: Mapping[str, Any]) -> Mapping[str, Any]:
    """An optional field's type apart from its null."""
    members: list[Mapping[str, Any]] = [m for m in field.get("anyOf", []) if m.get("type") != "null"]
    return members[0] if members else {}


def _option(name: str, field: Mapping[str, Any], *, required: bool) -> Option:
    default = field.get("default")
    kind = _kind(field)
    if kind == "switch":
        shown = "on" if default else "off"
    else:
        shown = "" if default is None else f"{default:g}" if isinstance(default, float) else str(default)
    return Option(
        name=name,
        sentence=str(field.get("description", "")),
        kind=kind,
        required=required,
        default=shown,
        choices=tuple(str(word) for word in field.get("enum", ())),
        count=int(field.get("minItems", 1)) if kind == "numbers" else 1,
        unit=str(field.get("unit", "")),
        limits=_limits(field),
        also=str(field.get("also", "")),
        formerly=tuple(field.get("formerly", ())),
        stage=str(field.get("stage", "")),
        is_open="entry_points" in field,
    )


def _kind(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return "choice"
    if field.get("type") == "array" and "$ref" in field.get("items", {}):
        return "JSON"
    if field.get("type") == "string":
        return "path" if "path" in field else "text"
    kinds = {"boolean": "switch", "integer": "whole number", "number": "number", "array": "numbers"}
    kinds["object"] = "JSON"
    return kinds[field["type"]]


def _limits(field: Mapping[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    above = field.get("exclusiveMinimum")
    step = field.get("multipleOf")
    words = []
    if low is not None and high is not None:
        words.append(f"{low:g} to {high:g}" if isinstance(low, float) else f"{low} to {high}")
    elif above is not None and high is not None:
        words.append(f"above {above:g}, at most {high:g}")
    if step is not None:
        words.append(f"a multiple of {step}")
    return ", ".join(words)
