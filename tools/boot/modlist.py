# SPDX-License-Identifier: MIT
"""modules.list: which files a scenario boots, and with which arguments.

Lines (docs/building.md has the full description):
    entry NAME | title NAME          begins an entry; names match without regard to case
    kernel FILE [ARGS]               the kernel ("fiasco" means Skerry's); default-kernel sets the default
    roottask FILE [ARGS]             the root task (default: moe)
    moe SCRIPT                       short for: roottask moe rom/SCRIPT, and modules l4re, ned, SCRIPT
    module|bin|data FILE [ARGS]      a boot module; roottask, sigma0, bootstrap lines of other systems are understood
    group NAME ... / module-group NAME   a named list of modules, and its use
    include FILE                     relative to the including file
    searchpath DIR[:DIR]             further folders for files
Options in brackets after the keyword, separated by commas:
    shell (the line is a command whose output lines are files), uncompress (gzip content is expanded, other content
    passes), glob (a file pattern), fname=NAME (name in rom/), arch=A|B (only there), nostrip (accepted)
A backslash at a line's end continues it; # begins a comment.
"""
import dataclasses
import glob
import gzip
import os
import re
import shlex
import subprocess

ARCHES = {"amd64", "x86_64", "x86"}
MODULE_KEYWORDS = {"module", "bin", "data"}
# What the system that modules.list comes from needs beside the root task; Skerry's kernel and moe do that work.
ABSORBED = {"sigma0", "bootstrap", "default-bootstrap", "modaddr"}
KERNEL_NAMES = {"fiasco", "skerry", "kernel"}
DEFAULT_GUEST = {"bzImage", "ramdisk-x86_64.cpio.gz"}
MAX_INCLUDE_DEPTH = 16


class ModListError(Exception):
    """One line for the user: where, what, and what to do."""


@dataclasses.dataclass
class Module:
    path: str      # the file to load
    name: str      # its name in rom/
    args: str = ""

    @property
    def cmdline(self):
        return f"{self.name} {self.args}".strip()


@dataclasses.dataclass
class Line:
    where: str
    keyword: str
    options: dict
    rest: str


@dataclasses.dataclass
class Entry:
    name: str
    where: str
    lines: list


@dataclasses.dataclass
class Scenario:
    name: str
    kernel: Module
    roottask: Module
    modules: list


def _logical_lines(path):
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except (OSError, UnicodeDecodeError) as e:
        raise ModListError(f"{path}: cannot read the modules list: {e}") from e
    held, start = "", 0
    for number, raw in enumerate(text.split("\n"), 1):
        start = start if held else number
        if raw.endswith("\\"):
            held += raw[:-1] + " "
            continue
        line = (held + raw).strip()
        held = ""
        if line and not line.startswith("#"):
            yield f"{path}:{start}", line


_LINE = re.compile(r"([A-Za-z0-9-]+)(?:\[([^\]]*)\])?(?:\s+(.*))?$")


def _parse_options(where, text):
    options = {}
    for item in filter(None, (o.strip() for o in (text or "").split(","))):
        key, _, value = item.partition("=")
        if key not in {"shell", "uncompress", "glob", "fname", "arch", "nostrip"}:
            raise ModListError(f"{where}: unknown option '{key}' in brackets; known: shell, uncompress, glob, "
                               "fname=NAME, arch=ARCH, nostrip")
        if key in {"fname", "arch"} and not value:
            raise ModListError(f"{where}: option '{key}' needs a value, as in [{key}=...]")
        options[key] = value or True
    return options


class ModList:
    """All entries and groups of a modules.list with its includes."""

    def __init__(self, path, search=(), env=None, warn=lambda text: None):
        self.path = path
        self.search = list(search)
        self.env = env or {}
        self.warn = warn
        self.entries = {}
        self.groups = {}
        self.default_kernel = None
        self._section = None
        self._read(path, 0)

    # --- reading ---------------------------------------------------------------------------------------------

    def _read(self, path, depth):
        if depth > MAX_INCLUDE_DEPTH:
            raise ModListError(f"{path}: includes are nested deeper than {MAX_INCLUDE_DEPTH}; does a file include itself?")
        for where, text in _logical_lines(path):
            match = _LINE.match(text)
            if not match:
                raise ModListError(f"{where}: not understood: '{text}'")
            keyword = match.group(1).lower()
            line = Line(where, keyword, _parse_options(where, match.group(2)), (match.group(3) or "").strip())
            self._take(line, path, depth)

    def _take(self, line, path, depth):
        if line.keyword in {"entry", "title"}:
            self._begin_entry(line)
        elif line.keyword == "group":
            self._section = self.groups.setdefault(self._name(line), [])
        elif line.keyword == "include":
            name = os.path.join(os.path.dirname(path), os.path.expandvars(self._name(line)))
            found = sorted(glob.glob(name)) or [name]
            for included in found:
                self._read(included, depth + 1)
        elif line.keyword == "searchpath":
            base = os.path.dirname(os.path.abspath(path))
            self.search += [os.path.join(base, self._expand(d)) for d in re.split(r"[:\s]+", line.rest) if d]
        elif line.keyword == "default-kernel":
            self._name(line)
            self.default_kernel = line
        elif line.keyword in ABSORBED:
            pass
        elif line.keyword in MODULE_KEYWORDS | {"kernel", "roottask", "moe", "module-group"}:
            self._name(line)
            if self._section is None:
                raise ModListError(f"{line.where}: '{line.keyword}' before the first entry or group")
            self._section.append(line)
        else:
            raise ModListError(f"{line.where}: unknown keyword '{line.keyword}'; known: entry, kernel, roottask, moe, module, "
                               "bin, data, group, module-group, include, searchpath, default-kernel")

    @staticmethod
    def _name(line):
        if not line.rest:
            raise ModListError(f"{line.where}: '{line.keyword}' needs a name behind it")
        return line.rest

    def _begin_entry(self, line):
        key = self._name(line).lower()
        if key in self.entries:
            self.warn(f"{line.where}: entry '{line.rest}' replaces the one of {self.entries[key].where}")
        entry = Entry(line.rest, line.where, [])
        self.entries[key] = entry
        self._section = entry.lines

    # --- resolving -------------------------------------------------------------------------------------------

    def _expand(self, text):
        return re.sub(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?",
                      lambda m: self.env.get(m.group(1), os.environ.get(m.group(1), m.group(0))), text)

    def find(self, name, where):
        """Full path of a file named in a line."""
        name = self._expand(name)
        candidates = [name] if os.path.isabs(name) else [os.path.join(d, name) for d in self.search]
        for path in candidates:
            if os.path.isfile(path):
                return path
        places = "it is an absolute path" if os.path.isabs(name) else "looked in " + ", ".join(self.search)
        hint = "; the default guest's files come from 'make guest'" if name in DEFAULT_GUEST else ""
        raise ModListError(f"{where}: module '{name}' not found ({places}); build or copy it there, or add its folder to "
                           f"MODULE_SEARCH_PATH in Makeconf.boot{hint}")

    def _applies(self, line):
        arch = line.options.get("arch")
        return arch is None or bool(ARCHES & set(re.split(r"[|+]", arch)))

    def _files(self, line):
        """Pairs (file, arguments) that a module line names."""
        if "shell" in line.options:
            env = {**os.environ, **self.env}
            run = subprocess.run(["/bin/sh", "-c", line.rest], env=env, capture_output=True, text=True, check=False)
            if run.returncode != 0:
                raise ModListError(f"{line.where}: the shell command '{line.rest}' failed with exit code {run.returncode}: "
                                   f"{run.stderr.strip()}")
            return [(word, "") for word in run.stdout.split("\n") if word.strip()]
        name, _, args = line.rest.partition(" ")
        if "glob" not in line.options:
            return [(name, args.strip())]
        pattern = self._expand(name)
        hits = [p for d in ([""] if os.path.isabs(pattern) else self.search) for p in sorted(glob.glob(os.path.join(d, pattern)))]
        if not hits:
            raise ModListError(f"{line.where}: no file matches '{pattern}' (looked in {', '.join(self.search)})")
        return [(hit, args.strip()) for hit in hits]

    def _modules(self, line, scratch, groups=()):
        if not self._applies(line):
            return []
        if line.keyword == "module-group":
            return self._group_modules(line, scratch, groups)
        found = []
        for name, args in self._files(line):
            path = self.find(name.strip(), line.where)
            if "uncompress" in line.options:
                path = _uncompressed(path, scratch, line.where)
            rom_name = line.options.get("fname") or os.path.basename(name.strip())
            found.append(Module(path, rom_name, args))
        return found

    def _group_modules(self, line, scratch, groups):
        found = []
        for name in line.rest.split():
            if name in groups:
                raise ModListError(f"{line.where}: group '{name}' contains itself")
            if name not in self.groups:
                raise ModListError(f"{line.where}: unknown group '{name}'; known: {', '.join(sorted(self.groups)) or 'none'}")
            for member in self.groups[name]:
                found += self._modules(member, scratch, groups + (name,))
        return found

    def scenario(self, name, scratch):
        """Everything that the entry boots. scratch: folder for expanded files."""
        entry = self.entries.get(name.lower())
        if entry is None:
            raise ModListError(f"{self.path}: unknown entry '{name}'; known: {', '.join(self.names()) or 'none'}")
        kernel = self.default_kernel or Line(entry.where, "kernel", {}, "kernel")
        roottask = Line(entry.where, "roottask", {}, "moe")
        modules = []
        for line in entry.lines:
            if not self._applies(line):
                continue
            if line.keyword == "kernel":
                kernel = line
            elif line.keyword == "roottask":
                roottask = line
            elif line.keyword == "moe":
                script = line.rest.split()[0]
                roottask = Line(line.where, "roottask", {}, f"moe rom/{script} {line.rest[len(script):]}".strip())
                for file in ("l4re", "ned", script):
                    modules += self._modules(Line(line.where, "module", {}, file), scratch)
            else:
                modules += self._modules(line, scratch)
        return Scenario(entry.name, self._kernel(kernel), self._modules(roottask, scratch)[0], _unique(modules, entry))

    def _kernel(self, line):
        name, _, args = line.rest.partition(" ")
        if name in KERNEL_NAMES:
            name = "kernel"
        return Module(self.find(name, line.where), "kernel", args.strip())

    def names(self):
        return [e.name for e in self.entries.values()]


def _uncompressed(path, scratch, where):
    with open(path, "rb") as f:
        if f.read(2) != b"\x1f\x8b":
            return path
    os.makedirs(scratch, exist_ok=True)
    target = os.path.join(scratch, os.path.basename(path))
    try:
        with gzip.open(path, "rb") as src:
            content = src.read()
    except (OSError, EOFError) as e:
        raise ModListError(f"{where}: cannot uncompress {path}: {e}") from e
    with open(target, "wb") as dst:
        dst.write(content)
    return target


def _unique(modules, entry):
    """The same file named twice is loaded once; two files with one name in rom/ are a mistake."""
    seen = {}
    for module in modules:
        other = seen.setdefault(module.name, module)
        if other is not module and (other.path != module.path or other.args != module.args):
            raise ModListError(f"{entry.where}: entry '{entry.name}' has two modules called '{module.name}' ({other.path} and "
                               f"{module.path}); rename one with [fname=...]")
    return list(seen.values())


def split_options(text):
    """QEMU options as a shell would split them."""
    try:
        return shlex.split(text)
    except ValueError as e:
        raise ModListError(f"QEMU_OPTIONS: {e}: '{text}'") from e
