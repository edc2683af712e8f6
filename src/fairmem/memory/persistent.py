"""A map whose versions share what they have in common, so that a change costs the same however large it is.

A hash trie with 16 children a node: setting a key copies the few nodes on its way, everything else is shared with the
version before. Memory that grows to tens of thousands of entries and is forked at every chunk rests on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar, cast
from zlib import crc32

Key = TypeVar("Key", int, str)
Value = TypeVar("Value")

_BITS, _WIDTH, _MASK = 4, 16, 15
_LEAF = 8  # Keys of a leaf before it is split.
_DEEPEST = 8  # 32 bits of the code are used up; what collides to here stays in one leaf.


class PersistentMap(Generic[Key, Value]):
    """An immutable mapping with keys of one kind, numbers or texts. Make one with `PersistentMap()` and `set`."""

    __slots__ = ("_root", "_size")

    def __init__(self) -> None:
        self._root: Any = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def get(self, key: Key) -> Value | None:
        """The value of `key`; None if it has none."""
        node, code = self._root, _code(key)
        while isinstance(node, tuple):
            node = cast("tuple[Any, ...]", node)[code & _MASK]
            code >>= _BITS
        return node.get(key)

    def set(self, key: Key, value: Value) -> PersistentMap[Key, Value]:
        """The map in which `key` has `value`."""
        size = self._size + (self.get(key) is None)
        return self._version(_put(self._root, _code(key), 0, key, value), size)

    def without(self, key: Key) -> PersistentMap[Key, Value]:
        """The map without `key`."""
        if self.get(key) is None:
            return self
        return self._version(_drop(self._root, _code(key), key), self._size - 1)

    def values(self) -> Iterator[Value]:
        """All values, in no promised order."""
        waiting: list[Any] = [self._root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, tuple):
                waiting.extend(cast("tuple[Any, ...]", node))
            else:
                yield from node.values()

    def _version(self, root: Any, size: int) -> PersistentMap[Key, Value]:
        made: PersistentMap[Key, Value] = PersistentMap()
        made._root, made._size = root, size
        return made


def _code(key: int | str) -> int:
    # Not hash(): the shape would differ from process to process. A negative number has no finite binary form.
    return crc32(key.encode("utf-8", "replace")) if isinstance(key, str) else key & 0xFFFFFFFF


def _put(node: Any, code: int, depth: int, key: Any, value: Any) -> Any:
    if isinstance(node, tuple):
        children = cast("tuple[Any, ...]", node)
        slot = code & _MASK
        return (*children[:slot], _put(children[slot], code >> _BITS, depth + 1, key, value), *children[slot + 1 :])
    leaf: dict[Any, Any] = {**node, key: value}
    if len(leaf) <= _LEAF or depth == _DEEPEST:
        return leaf
    parts: list[dict[Any, Any]] = [{} for _ in range(_WIDTH)]
    for each, held in leaf.items():
        parts[(_code(each) >> _BITS * depth) & _MASK][each] = held
    return tuple(parts)


def _drop(node: Any, code: int, key: Any) -> Any:
    if isinstance(node, tuple):
        children = cast("tuple[Any, ...]", node)
        slot = code & _MASK
        return (*children[:slot], _drop(children[slot], code >> _BITS, key), *children[slot + 1 :])
    return {each: held for each, held in node.items() if each != key}
