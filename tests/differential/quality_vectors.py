#!/usr/bin/env python3
"""The shared vectors through the command: quality_vectors.py SLUICE VECTORS.ndjson. Scores within 0.05; tier, issues and metadata equal."""
import json
import subprocess
import sys


def main():
    sluice, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        vectors = [json.loads(line) for line in file]
    done = subprocess.run([sluice, "quality", "assess", path], capture_output=True, text=True, cwd="/", check=False)
    if done.returncode != 0:
        sys.exit(f"exit {done.returncode}: {done.stderr}")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = 0
    for vector, answer in zip(vectors, answers, strict=True):
        expect = vector["expect"]
        same = all(answer[key] == expect[key] for key in ("tier", "issues", "metadata"))
        if answer["id"] != vector["id"] or not same or abs(answer["score"] - expect["score"]) > 0.05:
            wrong += 1
            print(f"{vector['id']}: found {answer}, expected {expect}")
    print(f"{len(vectors)} vectors, {wrong} wrong")
    sys.exit(1 if wrong or not vectors else 0)


if __name__ == "__main__":
    main()
