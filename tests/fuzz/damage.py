"""Damage to files, drawn from a seed."""

import random
from collections.abc import Callable

Damage = Callable[[bytes, random.Random], bytes]
WORDS = [b"", b"\0", b"\n", b"-1", b"1e999", b"NaN", b'"', b"{", b"[" * 5000, b"\xff\xfe", b"null"]


def place(content: bytes, generator: random.Random) -> int:
    """Choose a place, the head of a file more often than the rest."""
    end = min(len(content), 64) if generator.random() < 0.3 else len(content)
    return generator.randrange(end + 1)


def cut(content: bytes, generator: random.Random) -> bytes:
    return content[: place(content, generator)]


def flip(content: bytes, generator: random.Random) -> bytes:
    """Flip one bit, or some."""
    damaged = bytearray(content)
    for _ in range(generator.choice([1, 1, 1, 2, 8]) if content else 0):
        damaged[min(place(content, generator), len(content) - 1)] ^= 1 << generator.randrange(8)
    return bytes(damaged)


def blank(content: bytes, generator: random.Random) -> bytes:
    """Lose a block to zeros, as a disk may."""
    start = place(content, generator)
    length = min(generator.choice([1, 16, 512]), len(content) - start)
    return content[:start] + b"\0" * length + content[start + length :]


def insert(content: bytes, generator: random.Random) -> bytes:
    start = place(content, generator)
    return content[:start] + generator.choice(WORDS) + content[start:]


def remove(content: bytes, generator: random.Random) -> bytes:
    start = place(content, generator)
    return content[:start] + content[start + generator.choice([1, 8, 100]) :]


def repeat(content: bytes, generator: random.Random) -> bytes:
    start, end = sorted((place(content, generator), place(content, generator)))
    return content[:end] + content[start:]


def renumber(content: bytes, generator: random.Random) -> bytes:
    """Change a digit, such as that of a format."""
    digits = [at for at, byte in enumerate(content[:4096]) if chr(byte).isdigit()]
    if not digits:
        return cut(content, generator)
    at = generator.choice(digits)
    return content[:at] + str(generator.randrange(10)).encode() + content[at + 1 :]


DAMAGES: tuple[Damage, ...] = (cut, flip, flip, blank, insert, remove, repeat, renumber)
