# SPDX-License-Identifier: MIT
"""Which accelerator QEMU can use here for a system that runs virtual machines itself."""
import fcntl
import os
import struct

# linux/kvm.h: _IO(0xAE, n) and _IOWR(0xAE, 5, struct kvm_cpuid2)
KVM_CREATE_VM = 0xAE01
KVM_GET_SUPPORTED_CPUID = 0xC008AE05
CPUID_ENTRY = struct.Struct("7I12x")

# An AMD processor with SVM, less what QEMU's emulation does not have and would warn about.
TCG_CPU = "EPYC,+svm," + ",".join(f"-{feature}" for feature in (
    "rdseed", "sha-ni", "fxsr-opt", "misalignsse", "3dnowprefetch", "osvw", "topoext", "nrip-save", "xsavec"))


def kvm_nesting(device="/dev/kvm"):
    """(True, "") if KVM works and gives its guests SVM or VMX; else (False, why)."""
    try:
        kvm = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False, f"{device} does not exist"
    except OSError as e:
        return False, f"{device} cannot be opened ({e.strerror})"
    try:
        os.close(fcntl.ioctl(kvm, KVM_CREATE_VM, 0))
        flags = _supported_flags(kvm)
    except OSError as e:
        return False, f"{device} does not work ({e.strerror})"
    finally:
        os.close(kvm)
    if flags:
        return True, ""
    return False, "this host's KVM offers no nested virtualization"


def _supported_flags(kvm):
    """True if KVM's CPUID has VMX (leaf 1, ECX bit 5) or SVM (leaf 80000001h, ECX bit 2)."""
    count = 256
    buf = bytearray(struct.pack("II", count, 0)) + bytearray(CPUID_ENTRY.size * count)
    fcntl.ioctl(kvm, KVM_GET_SUPPORTED_CPUID, buf)
    (count,) = struct.unpack_from("I", buf)
    for i in range(count):
        leaf, _, _, _, _, ecx, _ = CPUID_ENTRY.unpack_from(buf, 8 + i * CPUID_ENTRY.size)
        if (leaf == 1 and ecx & 1 << 5) or (leaf == 0x80000001 and ecx & 1 << 2):
            return True
    return False


def _asks_for_kvm(options):
    return "-enable-kvm" in options or any(
        name == "-accel" and value.startswith("kvm") or name in {"-M", "-machine"} and "accel=kvm" in value
        for name, value in zip(options, options[1:]))


def _without_kvm(options):
    """The same options for TCG: no KVM, and no CPU model that only KVM has."""
    out, skip = [], False
    for i, word in enumerate(options):
        value = options[i + 1] if i + 1 < len(options) else ""
        if skip:
            skip = False
        elif word == "-enable-kvm":
            pass
        elif word == "-accel" and value.startswith("kvm"):
            skip = True
        elif word == "-cpu" and value.split(",")[0] == "host":
            skip = True
        elif word in {"-M", "-machine"} and "accel=kvm" in value:
            machine = ",".join(p for p in value.split(",") if not p.startswith("accel="))
            out += [word, machine] if machine else []
            skip = True
        else:
            out.append(word)
    return out


def adapt(options, probe=kvm_nesting):
    """(options for QEMU, a line for the user or ""). KVM is used where the user asks for it and it can nest."""
    notice = ""
    kvm = _asks_for_kvm(options)
    if kvm:
        usable, why = probe()
        if usable:
            return list(options), ""
        notice = f"KVM cannot run this: {why}. Going on with QEMU's emulation (TCG) and AMD SVM, which is slower."
        options = _without_kvm(options)
    elif "-cpu" in options and options[options.index("-cpu") + 1 :][:1] == ["host"]:
        notice = "'-cpu host' needs KVM, which the options do not ask for. Going on with QEMU's emulation (TCG) and AMD SVM."
        options = _without_kvm(options)
    options = list(options)
    if "-accel" not in options and not any(
            name in {"-M", "-machine"} and "accel=" in value for name, value in zip(options, options[1:])):
        options = ["-accel", "tcg"] + options
    if "-cpu" not in options:
        options = ["-cpu", TCG_CPU] + options
    return options, notice
