"""
Hostile input for a server that is up: random bytes, and good bytes with some of them changed, on both endpoints.

    python -m tests.programs.fuzz_server PORT SECONDS SEED

Each connection opens well (or not quite), says something that nobody should say, and goes without a word. Prints how many there
were. A program of its own, so that it takes no time from those who watch the server meanwhile.
"""

from __future__ import annotations

import random
import socket
import sys
import time

from websockets.frames import Frame, Opcode

from tests.support.peers import envelope, payload, token, upgrade_head

READ_AT_MOST = 65536


def mutated(data: bytes, chance: random.Random) -> bytes:
    """`data` with a few bytes changed, left out, doubled or put in."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0 if place < len(changed):
                changed[place] ^= 1 << chance.randrange(8)
            case 1:
                del changed[place : place + chance.randint(1, 20)]
            case 2:
                changed[place:place] = changed[place : place + chance.randint(1, 50)]
            case _:
                changed[place:place] = chance.randbytes(chance.randint(1, 20))
    return bytes(changed)


def head(chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return upgrade_head(f"/?vin=FUZZ{chance.randrange(100)}")
    return upgrade_head(f"/stream?token={token()}")


def words(chance: random.Random) -> bytes:
    """What is said after the handshake."""
    record = payload({"Soc": {"floatValue": chance.random()}, "VehicleName": {"stringValue": "x" * chance.randrange(300)}})
    said = [
        envelope(b"V", b"txid", record, "FUZZ1"),
        mutated(envelope(b"V", b"txid", mutated(record, chance), "FUZZ1"), chance),
        b'{"type":"subscribe","vins":["FUZZ1"],"types":null}',
        mutated(b'{"type":"auth","token":"x.y.z"}', chance),
        chance.randbytes(chance.randrange(3000)),
    ]
    frames = b"".join(
        Frame(chance.choice(list(Opcode)[:3]), chance.choice(said), chance.random() < 0.9).serialize(mask=True)
        for _ in range(chance.randint(1, 10))
    )
    return frames if chance.random() < 0.3 else mutated(frames, chance)


def attack(port: int, chance: random.Random) -> None:
    opening = head(chance)
    match chance.randrange(4):
        case 0:
            data = chance.randbytes(chance.randint(1, 5000))
        case 1:
            data = mutated(opening, chance)
        case _:
            data = opening + words(chance)
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        try:
            connection.sendall(data)
            if chance.random() < 0.7:
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(0.05)
            connection.recv(READ_AT_MOST)
        except OSError:
            return  # the server has had enough, or says nothing: both are its right


def main(port: int, seconds: float, seed: int) -> None:
    chance = random.Random(seed)
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        attack(port, chance)
        count += 1
    print(count)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
