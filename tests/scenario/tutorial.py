# SPDX-License-Identifier: MIT
"""The tutorial's own files, taken from its text as they stand."""
import glob
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(os.path.dirname(ROOT), "shared", "tutorial")


def text():
    """The tutorial, or None where it is not at hand."""
    found = glob.glob(os.path.join(FOLDER, "000_*.txt"))
    if not found:
        return None
    with open(found[0], encoding="utf-8") as f:
        return f.read()


def blocks(tutorial):
    """Fenced blocks: nvme.vbus, uvmm-nvme.ned, the modules.list entry, the driver's log, in the text's order."""
    found = re.findall(r"^````\w*\n(.*?)^````$", tutorial, re.M | re.S)
    vbus, ned, entry, log = found[:4]
    return {"nvme.vbus": vbus, "uvmm-nvme.ned": ned, "modules.list": entry, "log": log}


def indented_after(tutorial, sentence):
    """The indented lines of the first code block behind a sentence, without their indentation."""
    rest = tutorial[tutorial.index(sentence):]
    match = re.search(r"\n\n((?:    .*\n|\n)+)", rest)
    return "\n".join(line[4:] for line in match.group(1).rstrip("\n").split("\n"))


def makeconf(tutorial, somedir):
    """Makeconf.boot's lines with SOMEDIR filled in."""
    paths = indented_after(tutorial, "according to your environment:")
    options = indented_after(tutorial, "following fashion:")
    return (paths + "\n" + options + "\n").replace("/absolute/path/to/your/somedir", somedir)


