"""The machine: processor, memory, file systems, limits. Nothing native is loaded here."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
from pathlib import Path

from hybridx.doctor.findings import Finding
from hybridx.units import size

_NEEDED = ("avx2", "fma")
"""What LanceDB's wheels for x86-64 use without asking."""

_CRAMPED = 768 << 20
_TIGHT_DISK, _FULL_DISK = 1 << 30, 100 << 20
_FEW_FILES = 1024
_WALK_SECONDS = 3.0
_REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "vboxsf", "drvfs", "afs", "ceph"}
)
_VOLATILE = frozenset({"tmpfs", "ramfs"})


def cpu(proc: Path = Path("/proc")) -> list[Finding]:
    """Whether the processor has what LanceDB's wheels need."""
    machine = platform.machine()
    fields: dict[str, str] = {}
    with contextlib.suppress(OSError):
        info = (proc / "cpuinfo").read_text(encoding="utf-8", errors="replace")
        for line in info.splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name", machine)
    if machine not in ("x86_64", "AMD64"):
        return [Finding("processor", "ok", f"{name} ({machine})")]
    if "flags" not in fields:
        return [Finding("processor", "warning", f"{name}: nobody says what it can")]
    flags = set(fields["flags"].split())
    missing = [each for each in _NEEDED if each not in flags]
    if missing:
        return [
            Finding(
                "processor",
                "problem",
                f"{name}, without {' and '.join(missing)}",
                "LanceDB's wheels need AVX2 and FMA and end with SIGILL without them: use another "
                "machine, or a virtual machine that passes them through",
            )
        ]
    return [Finding("processor", "ok", f"{name}, with AVX2 and FMA")]


def cores(groups: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")) -> list[Finding]:
    """How many cores this process may use, and whether a control group gives less."""
    there = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    said = f"{usable} of {there}"
    quota = _quota(groups, proc)
    if quota is not None and quota < usable:
        return [
            Finding(
                "cores",
                "warning",
                f"{said}; the control group gives {quota:g}",
                f"more threads than cores only get in each other's way: set HYBRIDX_JOBS="
                f"{max(round(quota), 1)}",
            )
        ]
    return [Finding("cores", "ok", said)]


def memory() -> list[Finding]:
    """How much memory this process may use."""
    from hybridx.budget import memory_of_machine

    limit = memory_of_machine()
    said = f"{size(limit)} for this process"
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(line for line in lines if line.startswith("MemAvailable:"))
        said += f", {size(int(free.split()[1]) * 1024)} of the machine's available"
    if limit < _CRAMPED:
        return [
            Finding(
                "memory",
                "warning",
                said,
                "a run takes 512 MiB if it can: give it less with HYBRIDX_MEMORY_LIMIT_MB, of "
                "which the libraries alone take 220",
            )
        ]
    return [Finding("memory", "ok", said)]


def system() -> list[Finding]:
    """Kernel, C library and Python."""
    libc = " ".join(platform.libc_ver()).strip() or "unknown C library"
    python = f"Python {platform.python_version()} ({platform.python_implementation()})"
    said = f"{platform.system()} {platform.release()}, {libc}, {python}"
    return [Finding("system", "ok", said)]


def open_files() -> list[Finding]:
    """How many files this process may have open."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    known = "unlimited" if soft == resource.RLIM_INFINITY else f"{soft:,}"
    if soft != resource.RLIM_INFINITY and soft < _FEW_FILES:
        most = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
        return [
            Finding("open files", "warning", known, f"raise the limit: ulimit -n {most}"),
        ]
    return [Finding("open files", "ok", known)]


def watches(root: Path, folder: Path, proc: Path = Path("/proc")) -> list[Finding]:
    """Whether inotify may watch all folders of the tree; the index's own is not watched."""
    if sys.platform != "linux":
        return [Finding("watches", "ok", "without the limits of inotify")]
    limits = proc / "sys/fs/inotify"
    most = int((limits / "max_user_watches").read_text(encoding="ascii"))
    instances = int((limits / "max_user_instances").read_text(encoding="ascii"))
    count, whole = _folders(root, folder)
    said = f"{most:,} folders, {instances:,} watchers; the tree has {'' if whole else 'more than '}"
    said += f"{count:,} folders"
    if count > most:
        advice = f"sudo sysctl fs.inotify.max_user_watches={1 << (2 * count).bit_length()}"
        return [
            Finding("watches", "warning", said, f"{advice} (until then `watch` looks at intervals)")
        ]
    return [Finding("watches", "ok", said)]


def disk(name: str, folder: Path, *, instead: str) -> list[Finding]:
    """The file system of `folder`, or of where it would be made; `instead` is how to move it."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    kind = _file_system(place)
    status = os.statvfs(place)
    free = status.f_bavail * status.f_frsize
    said = f"{folder}: {kind or 'unknown file system'}, {size(free)} free"
    if status.f_flag & os.ST_RDONLY or not os.access(place, os.W_OK):
        return [Finding(name, "problem", f"{said}, may not be written", instead)]
    if free < _FULL_DISK:
        return [Finding(name, "problem", said, f"make room, or {instead}")]
    if status.f_files and status.f_favail == 0:
        return [Finding(name, "problem", f"{said}, but no inodes", f"make room, or {instead}")]
    if kind in _REMOTE or kind.startswith("fuse"):
        advice = f"locks and maps of files are not safe on every network or FUSE one; {instead}"
        return [Finding(name, "warning", said, advice)]
    if kind in _VOLATILE:
        return [Finding(name, "warning", said, f"it is gone with the next start; {instead}")]
    if free < _TIGHT_DISK:
        return [Finding(name, "warning", said, f"make room, or {instead}")]
    return [Finding(name, "ok", said)]


def _quota(groups: Path, proc: Path) -> float | None:
    """Cores that the control group, or one above it, gives; `None` for no limit."""
    found: list[float] = []
    lines = (proc / "self/cgroup").read_text(encoding="ascii", errors="replace").splitlines()
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top = groups
        elif "cpu" in controllers.split(","):
            top = groups / "cpu"
        else:
            continue
        group = top / path.lstrip("/")
        for each in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError):
                most, period = (each / "cpu.max").read_text(encoding="ascii").split()
                found.append(int(most) / int(period))
            with contextlib.suppress(OSError, ValueError):
                most = (each / "cpu.cfs_quota_us").read_text(encoding="ascii")
                period = (each / "cpu.cfs_period_us").read_text(encoding="ascii")
                if int(most) > 0:
                    found.append(int(most) / int(period))
            if each == top:
                break
    return min(found, default=None)


def _folders(root: Path, own: Path) -> tuple[int, bool]:
    """How many folders there are below `root`, and whether there was time to count them all."""
    end = time.monotonic() + _WALK_SECONDS
    count = 0
    for folder, folders, _ in os.walk(root):
        folders[:] = [name for name in folders if Path(folder, name) != own]
        count += 1
        if time.monotonic() > end:
            return count, False
    return count, True


def _file_system(place: Path) -> str:
    """The type of the file system that `place` lies on; empty if unknown."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    real = os.path.realpath(place)
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        where = fields.split()[4].encode().decode("unicode_escape", "replace")
        if len(where) >= best and (real == where or real.startswith(where.rstrip("/") + "/")):
            best, kind = len(where), rest.split()[0]
    return kind
