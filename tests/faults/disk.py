"""A folder as a power cut would leave it, rebuilt from the system calls of whoever wrote it.

What is simulated is a disk that keeps what it was told to keep, and nothing else: each file goes back to its bytes of
the last fsync or fdatasync of that file, each folder to its names of the last fsync of that folder. That is less than
any real file system leaves; a file whose name was kept and whose bytes were not is empty. With a `chance`, each write
and each truncation since a file's last sync is kept or lost by itself, in whatever order, as a drive may that was still
writing. Not simulated: a single write that is torn in its middle, and a disk that lies about what it has kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.traced import Call

Change = tuple[int, bytes | None]
"""A write at that offset, or (None) a truncation to that size."""


def _change(content: bytearray, change: Change) -> None:
    offset, data = change
    if data is None:
        del content[offset:]
        data = b""
    content.extend(bytes(max(offset - len(content), 0)))
    content[offset : offset + len(data)] = data


@dataclass
class File:
    """Its bytes as any program reads them, and as they were when it was last synced."""

    now: bytearray = field(default_factory=bytearray)
    kept: bytearray = field(default_factory=bytearray)
    since: list[Change] = field(default_factory=list)

    def change(self, change: Change) -> None:
        _change(self.now, change)
        self.since.append(change)

    def sync(self) -> None:
        for change in self.since:
            _change(self.kept, change)
        self.since.clear()

    def after_a_cut(self, chance: Random | None) -> bytes:
        left = bytearray(self.kept)
        for change in self.since:
            if chance is not None and chance.random() < 0.5:
                _change(left, change)
        return bytes(left)


@dataclass
class Folder:
    """The names in it now, and when it was last synced."""

    now: "dict[str, File | Folder]" = field(default_factory=dict)
    kept: "dict[str, File | Folder]" = field(default_factory=dict)

    def sync(self) -> None:
        self.kept = dict(self.now)


@dataclass
class _Opened:
    node: File | Folder
    offset: int = 0
    appends: bool = False


class Disk:
    """Everything under `root`, which is empty, and durable, when the first call is made."""

    def __init__(self, root: Path) -> None:
        self._root, self._top = root, Folder()
        self._open: dict[int, _Opened] = {}

    def apply(self, call: Call) -> None:
        """The call has been made."""
        match call.name:
            case "openat":
                self._opened(call)
            case "mkdir" | "mkdirat":
                self._put(call.path(len(call.arguments) - 2), Folder())
            case "unlink" | "rmdir":
                self._take(call.path(0))
            case "unlinkat":
                self._take(call.path(1))
            case "rename":
                self._rename(call.path(0), call.path(1))
            case "link":
                self._put(call.path(1), self._find(call.path(0)))
            case "write" | "pwrite64" | "ftruncate" | "lseek" | "fsync" | "fdatasync":
                # A number that was a file's may be a socket's by now.
                if call.file(0).startswith(str(self._root)) and (opened := self._open.get(call.number(0))):
                    _done(call, opened)
            case "sendto" | "recvfrom" | "sendmsg":
                pass
            case other if str(self._root) in "".join(map(str, _paths(call))):
                raise AssertionError(f"{other} is not simulated")

    def now(self) -> dict[str, bytes]:
        """Every file as it is, as kill -9 leaves it; by its path."""
        return {name: bytes(file.now) for name, file in _files(self._top, "", kept=False)}

    def after_a_cut(self, chance: Random | None = None) -> dict[str, bytes]:
        """Every file as a power cut would leave it now."""
        return {name: file.after_a_cut(chance) for name, file in _files(self._top, "", kept=True)}

    def _opened(self, call: Call) -> None:
        path, flags = call.path(1), call.arguments[2]
        self._open.pop(call.result, None)
        if not path.is_relative_to(self._root):
            return
        node = self._find(path)
        if node is None:
            assert "O_CREAT" in flags, path
            self._put(path, node := File())
        elif "O_TRUNC" in flags and isinstance(node, File):
            node.change((0, None))
        self._open[call.result] = _Opened(node, appends="O_APPEND" in flags)

    def _find(self, path: Path) -> File | Folder | None:
        node: File | Folder | None = self._top
        for name in path.relative_to(self._root).parts if path.is_relative_to(self._root) else ("?",):
            node = node.now.get(name) if isinstance(node, Folder) else None
        return node

    def _put(self, path: Path, node: File | Folder | None) -> None:
        folder = self._find(path.parent)
        if isinstance(folder, Folder) and node is not None:
            folder.now[path.name] = node

    def _take(self, path: Path) -> None:
        folder = self._find(path.parent)
        if isinstance(folder, Folder):
            del folder.now[path.name]

    def _rename(self, old: Path, new: Path) -> None:
        node = self._find(old)
        if node is not None:
            self._take(old)
            self._put(new, node)


def _done(call: Call, opened: _Opened) -> None:
    node = opened.node
    if call.name in {"fsync", "fdatasync"}:
        node.sync()
    elif call.name == "lseek":
        opened.offset = call.result
    elif isinstance(node, File):
        if call.name == "ftruncate":
            node.change((call.number(1), None))
            return
        where = call.number(3) if call.name == "pwrite64" else len(node.now) if opened.appends else opened.offset
        node.change((where, call.data))
        if call.name == "write":
            opened.offset = where + call.result


def _paths(call: Call) -> Iterator[str]:
    for place, argument in enumerate(call.arguments):
        if argument.startswith('"'):
            yield call.text(place).decode(errors="replace")
        elif "<" in argument:
            yield call.file(place)


def _files(folder: Folder, under: str, *, kept: bool) -> Iterator[tuple[str, File]]:
    for name, node in (folder.kept if kept else folder.now).items():
        if isinstance(node, Folder):
            yield from _files(node, f"{under}{name}/", kept=kept)
        # What SQLite's processes share by memory maps is no call's to see; whoever opens the file first makes it anew.
        elif not name.endswith("-shm"):
            yield under + name, node


def lay_down(files: dict[str, bytes], folder: Path) -> Path:
    """Write those files into that folder, to be started from."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
