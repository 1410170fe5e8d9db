"""A lines worker in Python: counts the lines, words and bytes of the file that it is named."""
import json
import sys


def say(**message):
    print(json.dumps(message), flush=True)


def count(job):
    lines = words = size = 0
    with open(job["inputs"][0], "rb") as file:
        for line in file:
            lines += line.endswith(b"\n")
            words += len(line.split())
            size += len(line)
    return {"lines": lines, "words": words, "bytes": size}


for line in sys.stdin:
    job = json.loads(line)
    if job["type"] != "job":
        continue  # a cancel: this worker looks between its jobs, so it comes too late
    try:
        say(type="done", job=job["job"], result=count(job))
    except (OSError, IndexError) as error:
        say(type="failed", job=job["job"], code="failed", message=str(error))
