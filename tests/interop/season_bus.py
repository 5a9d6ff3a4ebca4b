#!/usr/bin/env python3
"""The real season over every bus, init, import, publish, run: the same gates as `ingest`, and triggers as contract/messages.md has them, pulled with the official Go client.

The season data lie beside the checkout ($SLUICE_SHARED, else ../shared); without them all of this is skipped."""

import collections
import contextlib
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import interop
from interop import Failure, Skip, holds, same

SHARED = os.environ.get("SLUICE_SHARED") or os.path.join(os.path.dirname(interop.ROOT), "shared")
TRIGGERS = {"nba-phase3-trigger": ("phase_3_analytics", "phase_2_raw", 213), "nba-phase4-trigger": ("phase_4_precompute", "phase_3_analytics", 185)}
KEYS = ("game_date phase correlation_id trigger_id trigger_source triggered_by trigger_reason mode generation config_hash skip_downstream_trigger backfill_id degraded"
        " upstream_processors_count missing_processors is_production_ready completeness_pct quality_tier quality_score quality_issues entities_changed is_incremental"
        " unit_sources unusable_units quality_note timestamp").split()
ATTRIBUTES = ["correlation_id", "game_date", "phase", "schema", "trigger_id"]
ALL_DATES = "2024-10-22..2025-06-22"


class Pipeline:
    """The season's state in a folder of its own; `address` is the bus of type emulator, without one it is embedded."""

    def __init__(self, folder, address=None):
        self.folder, self.address = folder, address
        self.settings = ["--set", "bus.type=emulator"] if address else ["--set", "bus.listen=127.0.0.1:0"]

    def command(self, *words):
        return [interop.sluice(), "--config", os.path.join(self.folder, "nba.yaml"), *self.settings, *words]

    def start(self, *words):
        return interop.spawn(self.command(*words), env=interop.environment(self.address), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words, code=0, stdin=None):
        with open(stdin, "rb") if stdin else contextlib.nullcontext(subprocess.DEVNULL) as source:
            done = subprocess.run(self.command(*words), env=interop.environment(self.address), stdin=source, capture_output=True, text=True, timeout=300, check=False)
        if code is not None:
            same("%s: %s; exit code" % (" ".join(words), done.stderr.strip()[-1000:]), done.returncode, code)
        return done

    def ndjson(self, *words):
        return [json.loads(line) for line in self.run(*words, "-o", "ndjson").stdout.splitlines()]

    def messages(self):
        """topic -> file, in phase order."""
        return {os.path.basename(path)[:-len(".ndjson")]: path for path in sorted(glob.glob(self.folder + "/out/messages/*.ndjson"))}

    def publish_all(self):
        for topic, path in self.messages().items():
            self.run("publish", "--topic", topic, stdin=path)

    def until_idle(self, *words):
        return json.loads(self.run("run", "--until-idle", "2s", *words).stdout.splitlines()[-1])

    def until_all_came(self):
        """What waits on a bus that isn't ours can't be known, and a slow one may be silent for a while: run until as many have come as were published."""
        awaited, came, rounds = sum(count_lines(path) for path in self.messages().values()), 0, 0
        while came < awaited and rounds < 10:
            came, rounds = came + self.until_idle()["received"], rounds + 1
        holds("all have come", came >= awaited, "%d of %d in %d runs" % (came, awaited, rounds))

    def gates(self):
        keys = ("phase", "date", "profile", "generation", "state", "reasons", "missing", "trigger_id")
        return [tuple(json.dumps(gate[key]) for key in keys) for gate in self.ndjson("gates")]


def count_lines(path):
    with open(path, "rb") as lines:
        return sum(1 for _ in lines)


def season(folder, address=None):
    """Tables imported, topics made, nothing decided yet; and the gates that `ingest` makes of it."""
    template = make_template()
    shutil.copytree(template, folder + "/season")
    pipeline = Pipeline(folder + "/season", address)
    pipeline.run("init")
    with open(template + ".gates", encoding="utf-8") as gates:
        return pipeline, [tuple(gate) for gate in json.load(gates)]


made = []  # the template's folder, once it is begun


def make_template():
    if not os.path.exists(SHARED + "/scenarios/season.py"):
        raise Skip("no season data at %s (set SLUICE_SHARED)" % SHARED)
    interop.go_peer()
    if made:
        holds("the template was made", os.path.exists(made[0] + ".gates"))
        return made[0]
    template = tempfile.mkdtemp(prefix="sluice-season.") + "/season"
    made.append(template)
    pipeline = Pipeline(template)
    os.makedirs(template)
    shutil.copy(SHARED + "/contract/nba.yaml", template)
    subprocess.run([sys.executable, SHARED + "/scenarios/season.py", template + "/out"], check=True, capture_output=True)
    pipeline.run("init")
    for path in sorted(glob.glob(template + "/out/tables/*.csv")):
        pipeline.run("import", path, "--table", os.path.basename(path)[:-len(".csv")])
    ingested = Pipeline(template + ".ingested")
    shutil.copytree(template, ingested.folder)
    for path in pipeline.messages().values():
        ingested.run("ingest", path)
    with open(template + ".gates", "w", encoding="utf-8") as gates:
        json.dump(ingested.gates(), gates)
    return template


def check_gates(pipeline, expected):
    actual = pipeline.gates()
    lost, extra = collections.Counter(expected) - collections.Counter(actual), collections.Counter(actual) - collections.Counter(expected)
    holds("the gates are those of ingest;", not lost and not extra, "lost %s, other %s" % (list(lost)[:3], list(extra)[:3]))
    same("gates", len(actual), 642)


# --- triggers ---------------------------------------------------------------------------------------------------------------------

def pull_triggers(pipeline, server, topic, least):
    """At least so many are awaited, for as long as a loaded machine needs; then what else there is."""
    go, saved = interop.go_client(server), os.path.join(pipeline.folder, topic)
    go("receive", "-project", "nba-local", "-sub", topic + "-sub", "-idle", "2s", "-least", least, "-for", "120s", "-save", saved)
    return interop.read_ndjson(saved)


def check_triggers(pipeline, server, repeated=False):
    """Each fired gate's trigger is there, under its one trigger_id, and looks as the contract says."""
    for topic, (phase, by, n) in TRIGGERS.items():
        fired = {gate["trigger_id"]: gate for gate in pipeline.ndjson("gates", "--phase", by, "--all") if gate["trigger_id"]}
        same("fired gates of %s" % by, len(fired), n)
        messages = pull_triggers(pipeline, server, topic, n)
        for message in messages:
            check_trigger(message, fired, phase, by)
        ids = collections.Counter(message["attributes"]["trigger_id"] for message in messages)
        same("gates whose trigger came on %s" % topic, len(ids), n)
        if not repeated:
            same("triggers that came twice on %s" % topic, [i for i in ids if ids[i] > 1], [])


def check_trigger(message, fired, phase, by):
    body = json.loads(message["data"], object_pairs_hook=collections.OrderedDict)
    attributes = message["attributes"]
    same("keys, in order", list(body), KEYS)
    same("attributes", sorted(attributes), ATTRIBUTES)
    same("attributes are the body's", {a: attributes[a] for a in ATTRIBUTES if a != "schema"}, {a: body[a] for a in ATTRIBUTES if a != "schema"})
    holds("its gate has fired", body["trigger_id"] in fired, body)
    gate = fired[body["trigger_id"]]
    expected = {"phase": phase, "triggered_by": by, "game_date": gate["date"], "mode": gate["profile"], "generation": gate["generation"], "config_hash": gate["config_hash"],
                "trigger_source": "sluice", "is_production_ready": gate["is_production_ready"], "missing_processors": gate["missing"],
                "upstream_processors_count": len(gate["completed"]), "skip_downstream_trigger": False, "backfill_id": None}
    same("the trigger of %s %s" % (by, gate["date"]), {key: body[key] for key in expected}, expected)
    same("schema", attributes["schema"], "sluice.trigger.v1")


# --- cases ------------------------------------------------------------------------------------------------------------------------

def over_the_embedded_broker(folder):
    pipeline, expected = season(folder)
    pipeline.publish_all()
    counters = pipeline.until_idle()
    same("received, acked, published", [counters[key] for key in ("received", "acked", "published")], [2996, 2996, 398])
    check_gates(pipeline, expected)
    with interop.Broker(pipeline.folder + "/state/broker") as broker:
        check_triggers(pipeline, broker)


def over_a_broker_alone(folder):
    """`sluice broker` serves the state directory; publish and run find it there."""
    pipeline, expected = season(folder)
    with interop.Broker(pipeline.folder + "/state/broker") as broker:
        pipeline.publish_all()
        pipeline.until_idle()
        check_gates(pipeline, expected)
        check_triggers(pipeline, broker)


def publish_by_the_go_client(pipeline, server):
    go = interop.go_client(server)
    for topic, path in pipeline.messages().items():
        sent = go("publish", "-project", "nba-local", "-topic", topic, "-lines", path)
        same("published", (sent["failed"], sent["error"]), (0, ""))


def over_the_official_emulator(folder):
    """Published by the official client."""
    interop.go_peer()
    with interop.Emulator(folder + "/emulator") as emulator:
        pipeline, expected = season(folder, emulator.address)
        publish_by_the_go_client(pipeline, emulator)
        pipeline.until_all_came()
        check_gates(pipeline, expected)
        check_triggers(pipeline, emulator)


def over_the_official_fake(folder):
    with interop.Fake() as fake:
        pipeline, expected = season(folder, fake.address)
        pipeline.publish_all()
        pipeline.until_all_came()
        check_gates(pipeline, expected)
        check_triggers(pipeline, fake)


def publish_portion(pipeline, part, parts):
    """One part of every topic's messages, again when the broker went away meanwhile."""
    for topic, path in pipeline.messages().items():
        with open(path, encoding="utf-8") as lines, open(path + ".part", "w", encoding="utf-8") as out:
            out.writelines(line for i, line in enumerate(lines) if i * parts // 1100 == part)
        for _ in range(10):
            if pipeline.run("publish", "--topic", topic, code=None, stdin=path + ".part").returncode == 0:
                break
        else:
            raise Failure("publish to %s fails" % topic)


def killed_ten_times(pipeline):
    chance = random.Random(10)
    decided = []
    for part in range(10):
        worker = pipeline.start("run")
        publish_portion(pipeline, part, 10)
        time.sleep(chance.uniform(0, 0.15))
        worker.kill()
        worker.communicate()
        decided.append(len(pipeline.ndjson("gates")))
    holds("it was killed in the middle", 0 < sum(n < 642 for n in decided), decided)
    pipeline.until_idle()


def worker_and_broker_killed_ten_times(folder):
    pipeline, expected = season(folder)
    killed_ten_times(pipeline)
    check_gates(pipeline, expected)
    with interop.Broker(pipeline.folder + "/state/broker") as broker:
        check_triggers(pipeline, broker, repeated=True)


def worker_alone_killed_ten_times(folder):
    pipeline, expected = season(folder)
    with interop.Broker(pipeline.folder + "/state/broker") as broker:
        killed_ten_times(pipeline)
        check_gates(pipeline, expected)
        check_triggers(pipeline, broker, repeated=True)


def suppressed_and_released(folder):
    """With --skip-downstream-trigger nothing leaves; a release fires in date order and names what is blocked."""
    pipeline, _ = season(folder)
    pipeline.publish_all()
    same("published", pipeline.until_idle("--skip-downstream-trigger")["published"], 0)
    same("pending", len(pipeline.ndjson("pending", "--phase", "phase_2_raw", "--state", "suppressed")), 213)
    with interop.Broker(pipeline.folder + "/state/broker") as broker:
        same("triggers before the release", pull_triggers(pipeline, broker, "nba-phase3-trigger", 0), [])
    released = pipeline.run("release", "phase_2_raw", ALL_DATES, "-o", "ndjson", code=5)
    verdicts = [json.loads(line) for line in released.stdout.splitlines()]
    same("what is blocked", [(v["date"], v["state"]) for v in verdicts if v["state"] != "triggered"], [("2024-12-17", "blocked")])
    same("what was fired", sum(v["state"] == "triggered" for v in verdicts), 213)
    pipeline.until_idle()
    with interop.Broker(pipeline.folder + "/state/broker") as broker:
        check_released(pull_triggers(pipeline, broker, "nba-phase3-trigger", 213))


def check_released(messages):
    dates = sorted((json.loads(m["data"])["game_date"], comparable(m["publish_time"])) for m in messages)
    same("released triggers", (len(dates), len(set(date for date, _ in dates))), (213, 213))
    same("reasons", {json.loads(m["data"])["trigger_reason"] for m in messages}, {"released"})
    times = [at for _, at in dates]
    holds("published in date order", times == sorted(times), times[:5])


def comparable(time_text):
    """RFC 3339 in UTC with all nine digits of the fraction."""
    whole, _, fraction = time_text.rstrip("Z").partition(".")
    return whole + "." + fraction.ljust(9, "0")


CASES = [over_the_embedded_broker, over_a_broker_alone, worker_and_broker_killed_ten_times, worker_alone_killed_ten_times, suppressed_and_released,
         over_the_official_emulator, over_the_official_fake]

if __name__ == "__main__":
    try:
        code = interop.run_cases(CASES, __doc__)
    finally:
        if made:
            shutil.rmtree(os.path.dirname(made[0]))
    sys.exit(code)
