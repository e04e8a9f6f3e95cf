"""prometheus - a strict reader of the text exposition format 0.0.4.

Fails on what a scraper would refuse or misread: a sample without its family's
TYPE, a family twice, buckets that do not add up.
"""

import math
import re

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
_SUFFIXES = ("_bucket", "_sum", "_count")


class Family:
    """One metric: its type, its help, and a value for each (name, labels)."""

    def __init__(self, name, help_text):
        self.name = name
        self.help = help_text
        self.type = None
        self.samples = {}

    def label_names(self):
        """The names of the labels in use, `le` apart."""
        return {
            name
            for _, labels in self.samples
            for name, _ in labels
            if name != "le"
        }

    def label_values(self, label):
        return {
            value
            for _, labels in self.samples
            for name, value in labels
            if name == label
        }


class Exposition:
    """A whole scrape, by family name."""

    def __init__(self, text):
        assert text.endswith("\n"), "the last line has no end"
        self.text = text
        self.families = {}
        for line in text.splitlines():
            self._read_line(line)
        for family in self.families.values():
            assert family.type, f"{family.name} has no TYPE"
            if family.type == "histogram":
                _check_histogram(family)

    def _read_line(self, line):
        if line.startswith("# HELP "):
            name, _, help_text = line[7:].partition(" ")
            assert name not in self.families, f"{name} comes twice"
            assert help_text, f"{name} has no help"
            self.families[name] = Family(name, help_text)
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            assert kind in ("counter", "gauge", "histogram"), line
            self.families[name].type = kind
        elif line and not line.startswith("#"):
            self._read_sample(line)

    def _read_sample(self, line):
        match = _SAMPLE.match(line)
        assert match, f"not a sample: {line!r}"
        name, label_text, value = match.groups()
        labels = _read_labels(label_text or "", line)
        family = self.families.get(name)
        if family is None:
            stem = next((name[: -len(s)] for s in _SUFFIXES if name.endswith(s)), name)
            family = self.families.get(stem)
            assert family and family.type == "histogram", f"no family for {line!r}"
        assert (name, labels) not in family.samples, f"twice: {line!r}"
        family.samples[name, labels] = float(value)

    def value(self, name, **labels):
        """One sample's value, or 0.0 if there is none so far."""
        return self.samples(name).get(frozenset(labels.items()), 0.0)

    def samples(self, name):
        """{labels: value} of all samples of exactly this name."""
        family = self.families.get(name)
        if family is None:
            stem = next((name[: -len(s)] for s in _SUFFIXES if name.endswith(s)), name)
            family = self.families.get(stem)
        if family is None:
            return {}
        return {labels: v for (n, labels), v in family.samples.items() if n == name}

    def total(self, name, **labels):
        """The sum over all samples that have at least these labels."""
        wanted = set(labels.items())
        return sum(v for ls, v in self.samples(name).items() if wanted <= ls)

    def buckets(self, name):
        """The upper bounds of a histogram, in order, without +Inf."""
        bounds = {
            float(dict(labels)["le"]) for labels in self.samples(name + "_bucket")
        }
        return sorted(bound for bound in bounds if not math.isinf(bound))


def _read_labels(text, line):
    labels, position = {}, 0
    while position < len(text):
        match = _LABEL.match(text, position)
        assert match, f"bad labels: {line!r}"
        assert match[1] not in labels, f"label twice: {line!r}"
        labels[match[1]] = match[2]
        position = match.end()
    return frozenset(labels.items())


def _check_histogram(family):
    series = {}
    for (name, labels), value in family.samples.items():
        rest = frozenset(item for item in labels if item[0] != "le")
        series.setdefault(rest, {})[name, dict(labels).get("le")] = value
    for labels, samples in series.items():
        bounds = sorted(
            (float(le), value)
            for (name, le), value in samples.items()
            if name == family.name + "_bucket"
        )
        where = f"{family.name}{dict(labels)}"
        assert bounds and math.isinf(bounds[-1][0]), f"{where} has no +Inf"
        counts = [value for _, value in bounds]
        assert counts == sorted(counts), f"{where}: buckets decrease"
        assert counts[-1] == samples[family.name + "_count", None], where
        assert (family.name + "_sum", None) in samples, where
