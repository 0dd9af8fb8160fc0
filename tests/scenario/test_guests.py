# SPDX-License-Identifier: MIT
"""Guests of other kinds, and guests that are used in unusual ways."""


def test_prompt_is_the_tutorials(system):
    """98: the shell's prompt is "~ # " where the tutorial's is, and shows other folders by their names."""
    with system.boot(caps="") as session:
        session.expect(r"\n~ # ", 60)
        session.child.sendline("cd /dev; id; pwd")
        session.expect(r"uid=0\(root\).*\n/dev\s+/dev # ", 20)
