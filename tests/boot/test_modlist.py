# SPDX-License-Identifier: MIT
"""modules.list: every keyword, every option, one bad input per message."""
import gzip
import random

import pytest
from modlist import ModList, ModListError, Module


@pytest.fixture
def tree(tmp_path):
    for name in ("kernel", "moe", "ned", "l4re", "io", "a.ned", "b.cfg"):
        (tmp_path / name).write_text(name)
    return tmp_path


def scenario(tree, text, entry="e", **kwargs):
    path = tree / "modules.list"
    path.write_text(text)
    return ModList(str(path), [str(tree)], **kwargs).scenario(entry, str(tree / "scratch"))


def names(found):
    return [m.name for m in found.modules]


def test_entry_with_kernel_arguments_and_roottask(tree):
    found = scenario(tree, "entry E\nkernel fiasco -serial_esc\nroottask moe rom/a.ned\nmodule io -v\n")
    assert found.kernel.path == str(tree / "kernel") and found.kernel.args == "-serial_esc"
    assert found.roottask.cmdline == "moe rom/a.ned"
    assert found.modules == [Module(str(tree / "io"), "io", "-v")]


def test_entry_names_match_without_case(tree):
    assert scenario(tree, "entry UVMM-nvme\n", "uvmm-NVME").name == "UVMM-nvme"


def test_moe_shorthand(tree):
    found = scenario(tree, "entry e\nmoe a.ned\n")
    assert found.roottask.cmdline == "moe rom/a.ned" and names(found) == ["l4re", "ned", "a.ned"]


def test_shell_lines_are_files(tree):
    found = scenario(tree, "entry e\nmodule[shell] echo $SRC_BASE_ABS/a.ned; echo b.cfg\n", env={"SRC_BASE_ABS": str(tree)})
    assert names(found) == ["a.ned", "b.cfg"]


def test_uncompress_expands_gzip_and_passes_others(tree):
    (tree / "z").write_bytes(gzip.compress(b"content"))
    found = scenario(tree, "entry e\nmodule[uncompress] z\nmodule[uncompress] io\n")
    assert open(found.modules[0].path, "rb").read() == b"content" and found.modules[1].path == str(tree / "io")


def test_glob_fname_arch_groups_include_searchpath_default_kernel(tree):
    (tree / "sub").mkdir()
    (tree / "sub" / "only-here").write_text("x")
    (tree / "sub" / "more.list").write_text("group g\nbin io\n")
    found = scenario(tree, "include sub/more.list\nsearchpath sub\ndefault-kernel kernel -x\nentry e\nmodule[glob] *.ned\n"
                           "data[fname=renamed] b.cfg\nmodule[arch=arm] no-such\nmodule[arch=x86|amd64] only-here\nmodule-group g\n")
    assert names(found) == ["a.ned", "renamed", "only-here", "io"] and found.kernel.args == "-x"


def test_same_module_twice_is_one(tree):
    assert names(scenario(tree, "entry e\nmodule io\nmodule io\n")) == ["io"]


def test_later_entry_wins_with_a_note(tree):
    notes = []
    found = scenario(tree, "entry e\nmodule io\nentry E\nmodule ned\n", warn=notes.append)
    assert names(found) == ["ned"] and "replaces" in notes[0]


def test_lines_of_other_boot_systems_are_understood(tree):
    assert names(scenario(tree, "modaddr 0x1100000\nentry e\nbootstrap bootstrap\nsigma0 sigma0\nmodule io\n")) == ["io"]


def test_comments_and_continuations(tree):
    assert scenario(tree, "# c\nentry e\nmodule \\\n io -v\n").modules[0].cmdline == "io -v"


@pytest.mark.parametrize("text, message", [
    ("entry x\n", r"unknown entry 'e'; known: x"),
    ("entry e\nmodule nothing\n", r"modules.list:2: module 'nothing' not found .*MODULE_SEARCH_PATH"),
    ("entry e\nmodule bzImage\n", r"'bzImage' not found .*'make guest'"),
    ("entry e\nmodule /abs/nothing\n", r"'/abs/nothing' not found \(it is an absolute path"),
    ("entry e\nmodul io\n", r"modules.list:2: unknown keyword 'modul'; known: entry"),
    ("entry e\nmodule\n", r"modules.list:2: 'module' needs a name"),
    ("entry\n", r"'entry' needs a name"),
    ("module io\nentry e\n", r"modules.list:1: 'module' before the first entry"),
    ("entry e\nmodule[perl] x\n", r"unknown option 'perl'"),
    ("entry e\nmodule[fname] io\n", r"option 'fname' needs a value"),
    ("entry e\nmodule[shell] exit 3\n", r"'exit 3' failed with exit code 3"),
    ("entry e\nmodule[glob] *.nothing\n", r"no file matches '\*.nothing'"),
    ("entry e\nmodule-group g\n", r"unknown group 'g'; known: none"),
    ("group g\nmodule-group g\nentry e\nmodule-group g\n", r"group 'g' contains itself"),
    ("include modules.list\nentry e\n", r"nested deeper than 16"),
    ("include nothing.list\n", r"nothing.list: cannot read the modules list"),
    ("entry e\nmodule io\nmodule[fname=io] ned\n", r"two modules called 'io'"),
    ("!!\n", r"modules.list:1: not understood: '!!'"),
])
def test_bad_input_is_one_clear_line(tree, text, message):
    with pytest.raises(ModListError, match=message) as error:
        scenario(tree, text)
    assert "\n" not in str(error.value)


def test_corrupt_gzip(tree):
    (tree / "z").write_bytes(gzip.compress(b"content" * 100)[:-20])
    with pytest.raises(ModListError, match="cannot uncompress"):
        scenario(tree, "entry e\nmodule[uncompress] z\n")


GOOD = "group g\nbin io\nentry e\nkernel fiasco -a\nmoe a.ned\nmodule[fname=x,arch=amd64] io\nmodule[glob] *.cfg\nmodule-group g\n"


@pytest.mark.parametrize("seed", range(300))
def test_damaged_lists_give_an_entry_or_one_error(tree, seed):
    """Random damage never ends in anything but a scenario or a ModListError of one line."""
    rng = random.Random(seed)
    text = list(GOOD)
    for _ in range(rng.randint(1, 12)):
        at = rng.randrange(len(text))
        text[at:at + rng.randint(0, 4)] = rng.choice(["", "[", "]", ",", "=", "\n", "\\\n", "\0", "entry ", "group g\n", "ü", "*" * 50, "$X", "#"])
    try:
        scenario(tree, "".join(text))
    except ModListError as error:
        assert "\n" not in str(error)
