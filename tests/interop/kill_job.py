#!/usr/bin/env python3
"""The whole main job, `sluice run` with the embedded broker in it, is killed with SIGKILL 200 times at random moments while 10,000 completions flow.

Completions come from `sluice publish`, portion by portion until each is answered; it finds the broker, or serves it while nobody else does, and is killed too now and then. In the end:
every completion that was answered is in the ledger, once; events, runs, loads and gates are those of one undisturbed `ingest`, each once; every fired gate's trigger came, always under
one trigger_id. $SLUICE_KILLS and $SLUICE_COMPLETIONS shorten it, $SLUICE_SEED varies it."""

import collections
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import flow
import interop
from interop import Failure, holds, same

sys.path.insert(0, os.path.join(interop.ROOT, "tests", "faults"))
import mill  # noqa: E402  (its reading of a state directory)

KILLS = int(os.environ.get("SLUICE_KILLS") or 200)
COMPLETIONS = int(os.environ.get("SLUICE_COMPLETIONS") or 10000)
DAYS = COMPLETIONS // 8
SEED = int(os.environ.get("SLUICE_SEED") or 20251121)
PORTION = 25
UP_S = 0.45   # a life of the worker is up to this long; longer where that is too short to get to anything, up to MOST_S
MOST_S = 8
LOOK_EVERY = 10

GATES = ("SELECT phase, date, profile, generation, state, reasons, trigger_reason, completed, missing, late, is_production_ready, degraded, trigger_id FROM gates")
TRIGGERS = {"pack-start": "cut", "sell-start": "pack"}
DEAD_LETTERS = {"cut-dead": "cut", "pack-dead": "pack"}


class Job:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        with open(self.folder + "/sluice.yaml", "w", encoding="ascii") as config:
            config.write(flow.CONFIG.format(port=0))

    def start(self, *words, stdin=subprocess.DEVNULL):
        command = [interop.sluice(), "--config", self.folder + "/sluice.yaml", *words]
        return interop.spawn(command, env=interop.environment(), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words):
        process = self.start(*words)
        out, errors = process.communicate(timeout=300)
        same("%s: %s; exit code" % (" ".join(words), errors[-1000:]), process.returncode, 0)
        return out

    def make(self, days):
        """The tables are there, topics made."""
        flow.write_tables(self.folder + "/tables", days)
        self.run("init")
        for name in sorted(os.listdir(self.folder + "/tables")):
            self.run("import", self.folder + "/tables/" + name, "--table", name[:-len(".csv")])

    def copied(self, folder):
        job = type(self)(folder)
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return job

    def ingest(self, lines_of_phase):
        """What one `ingest` of everything makes."""
        with open(self.folder + "/all.ndjson", "w", encoding="ascii") as out:
            for phase in flow.PHASES:
                out.writelines(line + "\n" for line in lines_of_phase(phase))
        self.run("ingest", self.folder + "/all.ndjson")
        return end_of(self.folder)


def end_of(folder):
    return {name: sorted(mill.rows(folder + "/state/ledger.db", sql), key=repr) for name, sql in (("gates", GATES), ("runs", mill.LEDGER_END["runs"]))}


class Publisher(threading.Thread):
    """Publishes portion after portion, not further than `allowed` says; each until it is answered."""

    def __init__(self, job):
        super().__init__(daemon=True)
        self.job, self.allowed, self.failure = job, 0.0, None
        self.again = 0  # portions that were published again
        self.process = None
        self.portions = [(phase + "-done", lines) for pair in zip(*(portions_of(phase) for phase in flow.PHASES)) for phase, lines in zip(flow.PHASES, pair)]
        self.done = 0

    def run(self):
        try:
            for number, (topic, lines) in enumerate(self.portions):
                while number >= self.allowed * len(self.portions):
                    time.sleep(0.002)
                self.publish(topic, lines)
                self.done = number + 1
        except Exception as failure:  # told by who waits for the end
            self.failure = failure

    def publish(self, topic, lines):
        for _ in range(100):
            self.process = self.job.start("publish", "--topic", topic, stdin=subprocess.PIPE)
            _, errors = self.process.communicate(lines, timeout=120)
            if self.process.returncode == 0:
                return
            holds("publish fails as it should", self.process.returncode in (5, 75, -9), errors)
            self.again += 1
        raise Failure("a portion was not answered in 100 tries: %s" % errors)


def portions_of(phase):
    """Both phases have as many lines."""
    lines = [line + "\n" for line in flow.lines_of(phase, DAYS)]
    return ["".join(lines[i:i + PORTION]) for i in range(0, len(lines), PORTION)]


class Killer:
    def __init__(self, job):
        self.job, self.random = job, random.Random(SEED)
        self.publisher = Publisher(job)
        self.accepted = set()
        self.growing = self.publishers_killed = 0
        self.runs, self.up_s = 0, UP_S

    def all_kills(self):
        self.publisher.start()
        for kill in range(KILLS):
            self.publisher.allowed = (kill + 1) / KILLS
            self.one_kill()
            self.suit_life()
            if kill % LOOK_EVERY == 0:
                self.look(kill)
        self.publisher.allowed = 1.0
        self.publisher.join()
        if self.publisher.failure:
            raise self.publisher.failure

    def one_kill(self):
        worker = self.job.start("run")
        time.sleep(self.random.uniform(0, self.up_s))
        other = self.publisher.process
        if other and self.random.random() < 0.1 and other.poll() is None:
            other.kill()
            self.publishers_killed += 1
        if worker.poll() is not None:
            raise Failure("the worker ended by itself with %d: %s" % (worker.returncode, worker.stderr.read()))
        worker.kill()
        worker.communicate()

    def suit_life(self):
        """A worker that has done nothing lives longer the next time, one that has as short as it can. Counted in a copy, as in look()."""
        with tempfile.TemporaryDirectory(prefix="sluice-kill-job.") as copy:
            for name in ("ledger.db", "ledger.db-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(self.job.folder + "/state/" + name, copy)
            runs = mill.rows(copy + "/ledger.db", "SELECT count(*) FROM runs")[0][0]
        self.up_s = max(UP_S, self.up_s * 0.8) if runs > self.runs else min(MOST_S, self.up_s * 1.5)
        self.runs = runs

    def look(self, kill):
        """In a copy, whose opening is a recovery of its own: all files are sound, nothing that was accepted is gone."""
        copy = self.job.folder + ".look"
        mill.copy(self.job.folder + "/state", copy + "/state")
        now = set(mill.committed(copy))
        holds("after kill %d: all files are sound" % kill, not mill.bad_files(copy), mill.bad_files(copy))
        holds("after kill %d: nothing accepted is gone" % kill, not self.accepted - now, sorted(self.accepted - now, key=repr)[:3])
        self.growing += len(now) > len(self.accepted)
        self.accepted = now


def check_end(job, expected):
    actual = end_of(job.folder)
    found = mill.differences(expected, actual)
    holds("the end is that of an undisturbed run", not found, found)
    whole = mill.end_state(job.folder)
    same("outbox rows that have not left", whole["triggers"] + whole["dead letters"], [])
    whole["triggers"] = [(None, gate[13]) for gate in whole["gates"] if gate[13]]  # they are on the bus
    found = mill.self_check(whole) + mill.bad_files(job.folder)
    holds("each thing once", not found, found)


def check_bus(job, expected):
    """What left, pulled with the official client."""
    with interop.Broker(job.folder + "/state/broker") as broker:
        go = interop.go_client(broker)
        for topic, phase in TRIGGERS.items():
            fired = {gate[1]: gate[12] for gate in expected["gates"] if gate[0] == phase and gate[12]}
            by_date = collections.defaultdict(set)
            for message in pull(go, job, topic, len(fired)):
                by_date[message["attributes"]["game_date"]].add(message["attributes"]["trigger_id"])
            same("dates with more than one trigger_id on %s" % topic, [d for d in by_date if len(by_date[d]) > 1], [])
            same("triggers on %s" % topic, {i for ids in by_date.values() for i in ids}, set(fired.values()))
        for topic, phase in DEAD_LETTERS.items():
            broken = {line for line in flow.lines_of(phase, DAYS) if "execution_id" not in line}
            same("dead letters on %s" % topic, {message["data"] for message in pull(go, job, topic, len(broken))}, broken)
        for phase in flow.PHASES:
            same("left on %s-done-sub" % phase, go("pull", "-project", "flow", "-sub", phase + "-done-sub")["received"], 0)


def pull(go, job, topic, least):
    saved = job.folder + "/" + topic
    go("receive", "-project", "flow", "-sub", topic + "-sub", "-idle", "2s", "-least", least, "-for", "120s", "-save", saved)
    return interop.read_ndjson(saved)


def killed_while_completions_flow(_):
    interop.go_peer()
    base = tempfile.mkdtemp(prefix="sluice-kill-job.", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    print("seed %d, %d kills, state in %s" % (SEED, KILLS, base), flush=True)
    job = Job(base + "/job")
    job.make(DAYS)
    expected = job.copied(base + "/undisturbed").ingest(lambda phase: flow.lines_of(phase, DAYS))
    killer = Killer(job)
    killer.all_kills()
    job.run("run", "--until-idle", "2s")
    check_end(job, expected)
    check_bus(job, expected)
    looks = (KILLS - 1) // LOOK_EVERY
    holds("the kills were on the way", killer.growing >= looks * 0.7, "%d of %d looks saw more than before" % (killer.growing, looks))
    print("killed %d times, and %d publishers, %d of %d looks saw more; %d portions of %d were published again; %d runs, %d gates, %d triggers; 0 lost, 0 twice" % (
        KILLS, killer.publishers_killed, killer.growing, looks, killer.publisher.again, len(killer.publisher.portions), len(expected["runs"]), len(expected["gates"]), sum(gate[12] is not None for gate in expected["gates"])))
    shutil.rmtree(base)


if __name__ == "__main__":
    sys.exit(interop.run_cases([killed_while_completions_flow], __doc__))
