#!/usr/bin/env python3
"""The official Go client on `sluice broker`: publishing, streams, leases, nacks, dead letters, big messages, and SIGKILL on either side.

With $INTEROP_REFERENCE=1 the cases that every server must pass run against the official emulator: the test of the test."""

import os
import random
import sys
import time

import interop
from interop import Failure, holds, numbers_in, same, wait_for

DEAD_LETTER = "CloudPubSubDeadLetterSource"
REFERENCE = os.environ.get("INTEROP_REFERENCE") == "1"


def serve(folder):
    """The client's part first: without it nothing needs to serve."""
    interop.go_peer()
    return interop.Emulator(folder + "/emulator") if REFERENCE else interop.Broker(folder + "/broker")


def drained(go, sub, seconds="1500ms"):
    left = go("receive", "-sub", sub, "-idle", seconds)
    same("messages left on %s" % sub, left["received"], 0)


def complete(got, n):
    same("missing", (got["missing"], got["missing_first"]), (0, []))
    same("distinct", got["distinct"], n)


def nothing_is_lost_by_a_kill(folder):
    """20,000 published, SIGKILL, 20,000 received, SIGKILL: acked messages stay acked."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("kills")
        sent = go("publish", "-topic", topic, "-n", 20000, "-size", 400)
        same("published", (sent["published"], sent["failed"], sent["distinct_ids"]), (20000, 0, 20000))
        broker.restart()
        got = go("receive", "-sub", sub, "-n", 20000, "-expect", 20000, "-for", "120s")
        complete(got, 20000)
        same("bodies", got["bytes"] // got["received"], 400)
        broker.restart()
        drained(go, sub)


def kills_while_publishing(folder):
    """What was answered is there, however often the broker was killed meanwhile."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("publish-kills")
        publishing = go.start("publish", "-topic", topic, "-n", 20000, "-size", 200, "-rate", 5000, "-acked", folder + "/acked")
        for pause in (0.6, 0.9, 1.2):
            time.sleep(pause)
            broker.restart()
        sent = go.end(publishing)
        acked = set(numbers_in(folder + "/acked"))
        same("answered", (len(acked), sent["failed"]), (20000, 0))
        complete_numbers(go("receive", "-sub", sub, "-idle", "3s", "-least", 20000, "-expect", 20000), 20000)
        drained(go, sub)


def complete_numbers(got, n):
    """Publishing again after a lost answer makes a second message of one number."""
    same("missing", (got["missing"], got["missing_first"], got["numbers"]), (0, [], n))


def kills_while_receiving(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("receive-kills")
        go("publish", "-topic", topic, "-n", 20000, "-size", 200)
        receiving = go.start("receive", "-sub", sub, "-n", 20000, "-expect", 20000, "-work", "20ms", "-outstanding", 200, "-for", "120s", "-log", folder + "/log")
        chance = random.Random(3)
        for _ in range(3):
            had = len(numbers_in(folder + "/log"))
            wait_for("messages flow", lambda had=had: len(numbers_in(folder + "/log")) > had + 500, 60)
            time.sleep(chance.uniform(0, 0.2))
            broker.restart()
        complete(go.end(receiving), 20000)
        rest = go("receive", "-sub", sub, "-idle", "2s")
        holds("acks that were lost with the broker are few", rest["received"] <= 3000, rest)
        broker.restart()
        drained(go, sub)


def nacked_once(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("nacks")
        go("publish", "-topic", topic, "-n", 2000, "-size", 100)
        got = go("receive", "-sub", sub, "-do", "nack-once", "-k", 200, "-n", 2000, "-expect", 2000)
        complete(got, 2000)
        same("nacked, came again, deliveries", (got["nacked"], got["nacked_again"], got["received"]), (200, 200, 2200))
        drained(go, sub)


def lease_expires(folder):
    """Unary: nothing while it is leased, all when it has expired, at once when its deadline is set to 0."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        go("topic", "-topic", "lease-dead")
        topic, sub = go.make("leases", "-dead-letter", "lease-dead", "-attempts", 10)
        go("publish", "-topic", topic, "-n", 50)
        first = pull_all(go, sub, 50, 10)
        leased = time.monotonic()
        same("attempts at first", set(first.values()), {1})
        same("while leased", go("pull", "-sub", sub)["received"], 0)
        second = pull_all(go, sub, 50, 25)
        holds("not before the ack deadline", time.monotonic() - leased > 9, time.monotonic() - leased)
        same("attempts when it has expired", set(second.values()), {2})
        same("again while leased", go("pull", "-sub", sub)["received"], 0)


def pull_all(go, sub, n, seconds, *options):
    """{number: attempt} of n messages; a server may give fewer per call."""
    got, end = {}, time.monotonic() + seconds
    while len(got) < n:
        answer = go("pull", "-sub", sub, *options)
        got.update(zip(answer["numbers"], answer["attempts"]))
        if time.monotonic() > end:
            raise Failure("%d of %d messages within %g s" % (len(got), n, seconds))
        time.sleep(0.1)
    return got


def deadline_zero(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("deadlines")
        go("publish", "-topic", topic, "-n", 20)
        pull_all(go, sub, 20, 10, "-deadline", 0)
        pull_all(go, sub, 20, 5, "-deadline", 30)
        pull_none(go, sub, 12)


def pull_none(go, sub, seconds):
    """An extended lease outlives the subscription's 10 s."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        same("pulled under an extended lease", go("pull", "-sub", sub)["received"], 0)
        time.sleep(1)


def dead_letters(folder):
    """After five attempts it leaves for the dead-letter topic, with where it comes from and its own attributes and bytes."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        dead, dead_sub = go.make("dead")
        topic, sub = go.make("alive", "-dead-letter", dead, "-attempts", 5)
        with open(folder + "/lines", "w", encoding="ascii") as lines:
            lines.writelines('{"data": "%09d body", "attributes": {"kind": "k%d"}}\n' % (i, i) for i in range(20))
        go("publish", "-topic", topic, "-lines", folder + "/lines")
        nacked = go("receive", "-sub", sub, "-do", "nack", "-idle", "3s")
        same("deliveries by attempt", nacked["attempts"], {str(i): 20 for i in range(1, 6)})
        broker.restart()
        got = go("receive", "-sub", dead_sub, "-n", 20, "-for", "20s", "-save", folder + "/saved")
        same("dead letters", got["acked"], 20)
        for message in interop.read_ndjson(folder + "/saved"):
            check_dead_letter(message, sub)
        drained(go, sub)


def check_dead_letter(message, sub):
    attributes, number = message["attributes"], int(message["data"].split()[0])
    same("body", message["data"], "%09d body" % number)
    same("own attribute", attributes.get("kind"), "k%d" % number)
    same("names", sorted(a for a in attributes if a != "kind"), sorted(DEAD_LETTER + a for a in (
        "DeliveryCount", "DeliveryErrorMessage", "Subscription", "SubscriptionProject", "TopicPublishTime")))
    same("count, subscription, project", [attributes[DEAD_LETTER + a] for a in ("DeliveryCount", "Subscription", "SubscriptionProject")], ["5", sub, interop.PROJECT])
    holds("publish time", attributes[DEAD_LETTER + "TopicPublishTime"].startswith("20"), attributes)


def retry_backoff(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("backoff", "-retry-min", "2s", "-retry-max", "10s")
        go("publish", "-topic", topic, "-n", 100)
        got = go("receive", "-sub", sub, "-do", "nack-once", "-k", 100, "-n", 100, "-expect", 100, "-for", "30s")
        complete(got, 100)
        same("came again", got["nacked_again"], 100)
        holds("not before the minimum backoff", 1.8 < got["receiving_s"] < 8, got["receiving_s"])


def big_messages(folder):
    """20 of 3 MB, over a SIGKILL."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("big")
        sent = go("publish", "-topic", topic, "-n", 20, "-size", 3000000)
        same("published", (sent["published"], sent["error"]), (20, ""))
        if not REFERENCE:
            broker.restart()
        got = go("receive", "-sub", sub, "-n", 20, "-expect", 20, "-for", "60s")
        complete(got, 20)
        same("bytes", got["bytes"], 20 * 3000000)


def client_is_killed(folder):
    """What a client held when it died comes to the next one; what it had acked does not, but for acks on their way."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("client-kills")
        go("publish", "-topic", topic, "-n", 5000, "-size", 100)
        dying = go.start("receive", "-sub", sub, "-work", "100ms", "-outstanding", 500, "-log", folder + "/log")
        wait_for("1,500 acked", lambda: len(numbers_in(folder + "/log")) >= 1500)
        dying.kill()
        dying.communicate()
        acked = set(numbers_in(folder + "/log"))
        got = go("receive", "-sub", sub, "-idle", "2s", "-least", 5000 - len(acked), "-log", folder + "/log")
        same("all of both", len(set(numbers_in(folder + "/log"))), 5000)
        holds("few of the acked ones come again", got["distinct"] <= 5000 - len(acked) + 1000, got)
        drained(go, sub)


def a_quiet_stream_lives(folder):
    """Longer than a ping period of the client without a message, then one: it comes at once, on the same stream."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("quiet")
        receiving = go.start("receive", "-sub", sub, "-n", 1, "-for", "60s", "-log", folder + "/log")
        time.sleep(35)
        go("publish", "-topic", topic, "-n", 1)
        published = time.monotonic()
        wait_for("it comes", lambda: numbers_in(folder + "/log") == [0], 5)
        holds("at once", time.monotonic() - published < 1, time.monotonic() - published)
        go.end(receiving)


def pings_are_answered(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        _, sub = go.make("pings")
        got = go("ping", "-sub", sub, "-pings", 5, "-every", "500ms")
        same("answered", (got["answered"], got["open"]), (5, True))


def what_is_not_there(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("there")
        for sentence, words in (("NotFound", ("publish", "-topic", "nowhere")), ("NotFound", ("receive", "-sub", "nobody", "-idle", "5s")),
                                ("AlreadyExists", ("topic", "-topic", topic)), ("AlreadyExists", ("sub", "-topic", topic, "-sub", sub)),
                                ("NotFound", ("sub", "-topic", "nowhere", "-sub", "nobody"))):
            said = go("publish", "-topic", "nowhere")["error"] if words[0] == "publish" else go.fails(*words)
            holds("%s says %s" % (words, sentence), sentence in said, said)


# The emulator keeps no retry policy, answers no pings, adds no attributes to dead letters and keeps the leases of a dead client.
EVERY_SERVER = [nacked_once, lease_expires, deadline_zero, big_messages, a_quiet_stream_lives, what_is_not_there]
OURS = [nothing_is_lost_by_a_kill, kills_while_publishing, kills_while_receiving, client_is_killed, dead_letters, retry_backoff, pings_are_answered]

if __name__ == "__main__":
    sys.exit(interop.run_cases(EVERY_SERVER if REFERENCE else OURS + EVERY_SERVER, __doc__))
