#!/usr/bin/env python3
"""10,000 dead letters are replayed while `sluice replay` is killed with SIGKILL, or cancelled with SIGINT, at random moments of its life, from opening the broker to the last ack.

Half of them go into Sluice itself, the replay serving the broker; half to their topic, beside a worker that is killed too now and then. In the end: runs, gates and triggers are those of
one undisturbed `ingest`, each once; each letter has left one event message_replayed; what can't be understood is in the dead letters or in quarantine, with its bytes; nothing else is left
there. Then the same completions become dead letters once more, and replaying them changes nothing. $SLUICE_KILLS and $SLUICE_COMPLETIONS shorten it, $SLUICE_SEED varies it;
$SLUICE_UP_S is the longest life of a replay, for builds that are slow."""

import collections
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import flow
import interop
import kill_job
from interop import holds, same

sys.path.insert(0, os.path.join(interop.ROOT, "tests", "faults"))
import mill  # noqa: E402  (its reading of a state directory)

KILLS = int(os.environ.get("SLUICE_KILLS") or 120)
COMPLETIONS = int(os.environ.get("SLUICE_COMPLETIONS") or 10000)
SEED = int(os.environ.get("SLUICE_SEED") or 20251127)
UP_S = float(os.environ.get("SLUICE_UP_S") or 1.2)  # a life of a replay is up to this long; longer where that is too short to get to anything, up to MOST_S
MOST_S = 20
STOP_S = 60         # a cancelled one ends within that
EVENTS = "SELECT description FROM events WHERE event_type = 'message_replayed'"
REPLAYED = re.compile(r"dead letter (\S+) of (\S+), time \d+: ")


class Job(kill_job.Job):
    """The pipeline of kill_job, whose phases get other names as aliases when they are known."""

    def __init__(self, folder):
        self.aliases = {}
        super().__init__(folder)
        self.write_config()

    def write_config(self):
        text = flow.CONFIG.format(port=0)
        for phase, aliases in self.aliases.items():
            text = text.replace("  - name: %s\n" % phase, "  - name: %s\n    aliases: [%s]\n" % (phase, ", ".join(aliases)))
        with open(self.folder + "/sluice.yaml", "w", encoding="ascii") as config:
            config.write(text)

    def know(self, suffix):
        for phase in flow.PHASES:
            self.aliases.setdefault(phase, []).append(phase + suffix)
        self.write_config()

    def counts(self, *words):
        return json.loads(self.run("replay", *words, "-o", "json"))


def lines_of(phase, suffix):
    """As flow has them, of a phase that the config doesn't know at first."""
    return [line.replace('"phase": "%s"' % phase, '"phase": "%s"' % (phase + suffix)) for line in flow.lines_of(phase, COMPLETIONS // 8)]


def is_broken(line):
    return "execution_id" not in line


def become_dead_letters(job, suffix):
    """Published, and refused: nobody knows their phase."""
    total = 0
    for phase in flow.PHASES:
        lines = lines_of(phase, suffix)
        process = job.start("publish", "--topic", phase + "-done", stdin=subprocess.PIPE)
        _, errors = process.communicate("".join(line + "\n" for line in lines), timeout=120)
        same("publish; %s" % errors, process.returncode, 0)
        total += len(lines)
    counters = json.loads(job.run("run", "--until-idle", "1s").splitlines()[-1])
    same("rejected", counters["rejected"], total)
    return total


class Killer:
    def __init__(self, job):
        self.job, self.random = job, random.Random(SEED)
        self.killed = self.cancelled = self.ended = self.workers_killed = 0
        self.grown, self.seen, self.up_s = 0, 0, UP_S

    def kill_or_cancel(self, process):
        if self.random.random() < 0.7:
            process.kill()
            process.communicate()
            self.killed += 1
            return
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=STOP_S)
        holds("a cancelled replay ends as it should: %d %s %s" % (process.returncode, out, errors), process.returncode in (0, -2, 130))
        self.cancelled += 1

    def one_life(self, *words):
        process = self.job.start("replay", *words)
        try:
            out, errors = process.communicate(timeout=self.random.uniform(0, self.up_s))
        except subprocess.TimeoutExpired:
            self.kill_or_cancel(process)
            return
        self.ended += 1
        holds("it ends by itself only when all is done, or when the worker with the broker was killed: %d %s %s" % (process.returncode, out, errors), process.returncode in (0, 75))

    def count_growth(self):
        """How many letters have an event by now: the kills must be on the way, not before or after it. One that has done nothing lives longer the next time."""
        now = len(mill.rows(self.job.folder + "/state/ledger.db", EVENTS))
        self.grown += now > self.seen
        self.up_s = max(UP_S, self.up_s * 0.8) if now > self.seen else min(MOST_S, self.up_s * 1.5)
        self.seen = now

    def into_sluice(self, phase, rate):
        for _ in range(KILLS // 2):
            self.one_life("--phase", phase, "--rate", "%d/s" % rate)
            self.count_growth()

    def to_topic(self, phase, rate):
        worker = self.job.start("run")
        for _ in range(KILLS - KILLS // 2):
            if self.random.random() < 0.1:
                worker.kill()
                worker.communicate()
                self.workers_killed += 1
                worker = self.job.start("run")
            self.one_life("--phase", phase, "--to", "topic", "--rate", "%d/s" % rate)
            self.count_growth()
        worker.send_signal(signal.SIGTERM)
        _, errors = worker.communicate(timeout=STOP_S)
        same("exit code of the worker; %s" % errors[-2000:], worker.returncode, 0)


def letters_on(job, subscription):
    """What lies there, with its bytes."""
    listed = [json.loads(line) for line in job.run("dlq", "list", "--subscription", subscription, "--limit", "100000", "-o", "ndjson").splitlines()]
    return [json.loads(job.run("dlq", "show", row["id"], "-o", "json")) for row in listed]


def check_effects(job, expected):
    actual = kill_job.end_of(job.folder)
    found = mill.differences(expected, actual)
    holds("runs and gates are those of an undisturbed ingest", not found, found)
    whole = mill.end_state(job.folder)
    same("outbox rows that have not left", whole["triggers"] + whole["dead letters"], [])
    whole["triggers"] = [(None, gate[13]) for gate in whole["gates"] if gate[13]]  # they are on the bus
    found = mill.self_check(whole) + mill.bad_files(job.folder)
    holds("each thing once", not found, found)
    return actual


def check_events(job):
    """One for each letter, however often its replay was begun."""
    letters = collections.Counter(REPLAYED.match(row[0]).groups() for row in mill.rows(job.folder + "/state/ledger.db", EVENTS))
    same("letters with more than one event", [letter for letter, n in letters.items() if n > 1], [])
    return len(letters)


def check_letters(job):
    """Only what can't be understood is left, all of it, as it was."""
    for phase in flow.PHASES:
        broken = {line for line in lines_of(phase, "-old") if is_broken(line)}
        left = letters_on(job, phase + "-dead-sub")
        process = job.start("dlq", "list", "--subscription", phase + "-dead-quarantine-sub")
        process.communicate()
        if process.returncode == 0:  # made by the first letter that was replayed too often
            left += letters_on(job, phase + "-dead-quarantine-sub")
        same("dead letters of %s" % phase, {letter["data"] for letter in left}, broken)
        same("their source", {letter["attributes"]["sluice_source_subscription"] for letter in left}, {phase + "-done-sub"} if broken else set())


def check_triggers(job, expected):
    with interop.Broker(job.folder + "/state/broker") as broker:
        go = interop.go_client(broker)
        for topic, phase in kill_job.TRIGGERS.items():
            fired = {gate[12] for gate in expected["gates"] if gate[0] == phase and gate[12]}
            ids = {message["attributes"]["trigger_id"] for message in kill_job.pull(go, job, topic, len(fired))}
            same("triggers on %s" % topic, ids, fired)


def check_again(job, before):
    """The same completions under a third name: known, without effect."""
    total = become_dead_letters(job, "-older")
    job.know("-older")
    broken = sum(is_broken(line) for phase in flow.PHASES for line in lines_of(phase, "-older"))
    skipped = sum(job.counts("--phase", phase, *words)["skipped"] for phase, words in (("cut", ()), ("pack", ("--to", "topic"))))
    same("letters that were known", skipped, total - broken)
    counters = json.loads(job.run("run", "--until-idle", "1s").splitlines()[-1])
    same("received after that, but for what is rejected", counters["received"] - counters["rejected"], 0)
    found = mill.differences(before, kill_job.end_of(job.folder))
    holds("nothing has changed by the second replay", not found, found)


def replayed_with_kills_and_cancels(_):
    base = tempfile.mkdtemp(prefix="sluice-replay-job.", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    print("seed %d, %d kills, state in %s" % (SEED, KILLS, base), flush=True)
    job = Job(base + "/job")
    job.make(COMPLETIONS // 8)
    undisturbed = job.copied(base + "/undisturbed")
    undisturbed.know("-old")
    expected = undisturbed.ingest(lambda phase: lines_of(phase, "-old"))
    total = become_dead_letters(job, "-old")
    job.know("-old")
    killer = Killer(job)
    rate = max(20, int(total / 2 / (KILLS / 2 * UP_S * 0.45)))
    start = time.monotonic()
    killer.into_sluice("cut", rate)
    first = job.counts("--phase", "cut")
    killer.to_topic("pack", rate)
    second = job.counts("--phase", "pack", "--to", "topic")
    job.run("run", "--until-idle", "2s")
    took = time.monotonic() - start
    actual = check_effects(job, expected)
    n_letters = check_events(job)
    holds("every letter was replayed", n_letters >= total, "%d of %d" % (n_letters, total))
    check_letters(job)
    check_again(job, actual)
    try:
        check_triggers(job, expected)
        triggers = "triggers pulled by the Go client"
    except interop.Skip as why:
        triggers = "triggers not pulled: %s" % why
    holds("the kills were on the way", killer.grown >= KILLS * 0.2, "%d of %d lives replayed something" % (killer.grown, KILLS))
    print("%d letters in %.0f s; killed %d times, cancelled %d, %d ended by themselves, %d workers killed, in %d lives something was replayed; the last replays had %d and %d to do; %s; 0 lost, 0 twice in effect" % (
        total, took, killer.killed, killer.cancelled, killer.ended, killer.workers_killed, killer.grown, first["matched"], second["matched"], triggers), flush=True)
    shutil.rmtree(base)


class Elsewhere(Job):
    """The same pipeline on another server's bus."""

    def __init__(self, folder, address):
        self.address = address
        super().__init__(folder)

    def write_config(self):
        super().write_config()
        with open(self.folder + "/sluice.yaml", encoding="ascii") as config:
            text = re.sub("bus: {.*}", "bus: {type: emulator, project: flow}", config.read())
        with open(self.folder + "/sluice.yaml", "w", encoding="ascii") as config:
            config.write(text)

    def start(self, *words, stdin=subprocess.DEVNULL):
        command = [interop.sluice(), "--config", self.folder + "/sluice.yaml", *words]
        return interop.spawn(command, env=interop.environment(self.address), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def listed(job, *words):
    process = job.start("dlq", "list", "-o", "ndjson", *words)
    out, errors = process.communicate(timeout=120)
    same("exit code of dlq list; %s" % errors, process.returncode, 0)
    return [json.loads(line) for line in out.splitlines()], errors


def until_all(awaited, some):
    """What such a server has can't be known, and a slow one may be silent for longer than a command waits: `some` is done again until there are as many as are there."""
    n = 0
    for _ in range(10):
        n = some(n)
        if n >= awaited:
            break
    return n


def over_a_server_that_only_delivers(folder, address):
    """It can't be looked at without being received from; what was given back is there again, and is replayed."""
    job = Elsewhere(folder + "/job", address)
    job.make(10)
    lines = [line.replace('"phase": "cut"', '"phase": "cut-old"') for line in flow.lines_of("cut", 10)]
    process = job.start("publish", "--topic", "cut-dead", stdin=subprocess.PIPE)
    _, errors = process.communicate("".join(line + "\n" for line in lines), timeout=120)
    same("publish; %s" % errors, process.returncode, 0)
    same("letters", until_all(len(lines), lambda _: len(listed(job, "--subscription", "cut-dead-sub")[0])), len(lines))
    errors = listed(job, "--subscription", "cut-dead-sub")[1]
    holds("it says that they were pulled", "pulled and given back" in errors, errors)
    job.know("-old")
    same("letters after that", until_all(len(lines), lambda _: len(listed(job, "--subscription", "cut-dead-sub")[0])), len(lines))
    same("replayed", until_all(len(lines), lambda n: n + job.counts("--phase", "cut")["matched"]), len(lines))
    same("gates", len(mill.rows(job.folder + "/state/ledger.db", "SELECT 1 FROM gates WHERE phase = 'cut'")), 10)
    process = job.start("doctor", "-o", "json")
    out, errors = process.communicate(timeout=120)
    holds("the doctor looks at another server too: %s" % errors, process.returncode in (0, 3) and json.loads(out) is not None)


def over_the_official_fake(folder):
    with interop.Fake() as server:
        over_a_server_that_only_delivers(folder, server.address)


def over_the_official_emulator(folder):
    with interop.Emulator(folder + "/emulator") as server:
        over_a_server_that_only_delivers(folder, server.address)


if __name__ == "__main__":
    sys.exit(interop.run_cases([replayed_with_kills_and_cancels, over_the_official_fake, over_the_official_emulator], __doc__))
