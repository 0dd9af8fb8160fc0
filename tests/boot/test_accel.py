# SPDX-License-Identifier: MIT
"""QEMU's accelerator: KVM where it nests, else TCG with SVM, said in one line."""
import pytest
from accel import TCG_CPU, adapt, kvm_nesting


def no_kvm():
    return False, "no such luck"


def with_kvm():
    return True, ""


TUTORIAL = "-cpu host -enable-kvm -m 512 -display none".split()


def test_usable_kvm_is_left_alone():
    assert adapt(TUTORIAL, with_kvm) == (TUTORIAL, "")


def test_without_kvm_the_tutorial_runs_in_tcg():
    options, notice = adapt(TUTORIAL, no_kvm)
    assert options == ["-cpu", TCG_CPU, "-accel", "tcg", "-m", "512", "-display", "none"]
    assert "no such luck" in notice and "\n" not in notice


@pytest.mark.parametrize("given, expected", [
    (["-accel", "kvm", "-M", "q35"], ["-cpu", TCG_CPU, "-accel", "tcg", "-M", "q35"]),
    (["-machine", "q35,accel=kvm"], ["-cpu", TCG_CPU, "-accel", "tcg", "-machine", "q35"]),
    (["-enable-kvm", "-cpu", "max"], ["-accel", "tcg", "-cpu", "max"]),
    (["-cpu", "host"], ["-cpu", TCG_CPU, "-accel", "tcg"]),
    (["-cpu", "EPYC,+svm", "-accel", "tcg"], ["-cpu", "EPYC,+svm", "-accel", "tcg"]),
    ([], ["-cpu", TCG_CPU, "-accel", "tcg"]),
])
def test_options(given, expected):
    assert adapt(given, no_kvm)[0] == expected


def test_missing_device_is_named():
    assert kvm_nesting("/nonexistent/kvm") == (False, "/nonexistent/kvm does not exist")
