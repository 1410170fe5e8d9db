"""A frames worker in Python: counts the lines, words and bytes of the file that it is handed.

The protocol is docs/formats/worker-protocol.md; nothing but the standard library is needed.
"""
import os
import socket
import struct

HELLO, JOB, DONE, FAILED, BYE = 1, 2, 8, 9, 10
OUTPUT, PAYLOAD_IN_DESCRIPTOR, INLINE = 1, 2, 4
HEADER = struct.Struct("<BBHIQ")  # type, version, flags, attempt, job

engine = socket.socket(fileno=3)


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<I", len(value)) + value


def say(kind, fields, flags=0, attempt=0, job=0):
    engine.send(HEADER.pack(kind, 1, flags, attempt, job) + fields)


def read_text(fields, offset):
    (size,) = struct.unpack_from("<I", fields, offset)
    return fields[offset + 4:offset + 4 + size].decode()


def count(inputs):
    lines = words = size = 0
    with open(inputs[0], "rb", closefd=False) as file:
        for line in file:
            lines += line.endswith(b"\n")
            words += len(line.split())
            size += len(line)
    return f'{{"lines":{lines},"words":{words},"bytes":{size}}}'


def run(flags, fields, descriptors):
    """Answers a job's result; the payload, where it has a descriptor, comes before the output and the inputs."""
    operation = read_text(fields, 12)
    inputs = descriptors[bool(flags & PAYLOAD_IN_DESCRIPTOR) + bool(flags & OUTPUT):]
    if operation != "count" or len(inputs) != 1:
        raise ValueError(f"this worker counts one input, not {operation} of {len(inputs)}")
    return count(inputs)


say(HELLO, struct.pack("<I", 1) + text("word_count_frames.py"))
while True:
    message, descriptors, _, _ = socket.recv_fds(engine, 131072, 64)
    if not message:
        break  # the engine is gone
    kind, version, flags, attempt, job = HEADER.unpack_from(message)
    if kind == BYE:
        break
    if kind != JOB:
        continue  # a cancel of a job that has ended, or something newer than this worker
    try:
        result = run(flags, message[HEADER.size:], descriptors)
        say(DONE, struct.pack("<Q", 0) + text("application/json") + text(result), INLINE, attempt, job)
    except MemoryError:
        say(FAILED, text("out_of_memory") + text("the worker ran out of memory"), 0, attempt, job)
    except (OSError, ValueError) as error:
        say(FAILED, text("failed") + text(str(error)[:4096]), 0, attempt, job)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
