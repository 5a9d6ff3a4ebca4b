"""interop.py - what the tests of this folder share: servers (our broker, Google's emulator, Google's fake), Google's clients as peers, cases and checks.

A peer or server that isn't on this machine is a Skip: said aloud, exit 77 when nothing else ran. $SLUICE_REQUIRE (all, or some of go,node,emulator) makes that a failure.
The binary is $SLUICE; what is built and fetched for the peers is kept in $SLUICE_PEERS (build/peers)."""

import argparse
import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PEERS = os.environ.get("SLUICE_PEERS") or os.path.join(ROOT, "build", "peers")
GO_TREE = "/usr/share/gocode"
START_S = 60
PROJECT = "interop"


class Skip(Exception):
    """This can't be tested here."""


class Failure(Exception):
    """What was expected did not happen."""


def missing(peer, why):
    required = os.environ.get("SLUICE_REQUIRE", "").split(",")
    if peer in required or "all" in required:
        raise Failure("%s is required here: %s" % (peer, why))
    raise Skip(why)


def same(label, actual, expected):
    if actual != expected:
        raise Failure("%s: %r, expected %r" % (label, actual, expected))


def holds(label, condition, shown=""):
    if not condition:
        raise Failure("%s %s" % (label, shown))


def wait_for(label, condition, seconds=60, every=0.02):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure("%s: not within %g s" % (label, seconds))
        time.sleep(every)


# --- processes --------------------------------------------------------------------------------------------------------------------

def sluice():
    binary = os.environ.get("SLUICE")
    if not binary:
        raise Failure("$SLUICE names the binary to test")
    return os.path.abspath(binary)


def environment(address=None):
    env = {k: v for k, v in os.environ.items() if k not in ("PUBSUB_EMULATOR_HOST", "SLUICE_CONFIG", "SLUICE_LOG")}
    if address:
        env["PUBSUB_EMULATOR_HOST"] = address
    return env


def is_listening(address):
    host, port = address.rsplit(":", 1)
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
        return True
    return False


reserved = []


def free_port():
    """Below the ports that the system gives to whoever asks for any: a server that was killed finds it free again. Nor is it given to another test while this process lives: a name in
    Linux's abstract namespace reserves it, here and in tests/support/own_port.h."""
    for port in random.SystemRandom().sample(range(10000, 32000), 1000):
        with contextlib.suppress(OSError), socket.socket() as s:
            name = socket.socket(socket.AF_UNIX)
            with contextlib.ExitStack() as undone:
                undone.callback(name.close)
                name.bind("\0sluice-port-%d" % port)
                s.bind(("127.0.0.1", port))
                undone.pop_all()
            reserved.append(name)
            return port
    raise Failure("no port is free")


class Spawned(threading.local):
    """Cases of different threads may run side by side."""

    def __init__(self):
        self.processes = []


spawned = Spawned()


def spawn(command, **options):
    """A process that does not outlive its case."""
    process = subprocess.Popen(command, **options)
    spawned.processes.append(process)
    return process


def end_all():
    for process in spawned.processes:
        if process.poll() is None:
            process.kill()
            process.wait()
    spawned.processes.clear()


class Server:
    """A process that serves; `address` is where."""

    def __init__(self):
        self.process, self.address = None, None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind is None:
            self.check_end()

    def check_end(self):
        """After stop(), in a test that passed."""

    def kill(self):
        """As a power loss of the process alone."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def first_line(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure("%s: no address, exit %s" % (self.process.args[:3], self.process.wait()))
        return json.loads(line)["listening"]


class Broker(Server):
    """`sluice broker` on a directory; started again it has the same address."""

    def __init__(self, path, *options):
        super().__init__()
        self.path, self.options, self.log = path, options, open(path.rstrip("/") + ".log", "ab")
        self.start()

    def start(self):
        listen = self.address or "127.0.0.1:%d" % free_port()
        self.process = spawn([sluice(), "broker", "--listen", listen, "--path", self.path, *self.options], env=environment(), stdout=subprocess.PIPE, stderr=self.log)
        self.address = self.first_line()
        return self

    def restart(self):
        self.kill()
        return self.start()

    def stop(self):
        super().stop()
        self.log.close()

    def check_end(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            same("exit code of the broker after SIGTERM; %s" % log.read()[-2000:], self.process.returncode, 0)

    def rss_mib(self, field="VmRSS"):
        return rss_mib(self.process.pid, field)


def rss_mib(pid, field="VmRSS"):
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024


class Emulator(Server):
    """gcloud beta emulators pubsub: a process group of its own, because gcloud starts java and forgets it."""

    def __init__(self, path):
        super().__init__()
        if not shutil.which("gcloud"):
            missing("emulator", "gcloud is not installed")
        os.makedirs(path, exist_ok=True)
        self.path, self.address = path, "127.0.0.1:%d" % free_port()
        self.start()

    def start(self):
        log_path = os.path.join(self.path, "emulator.log")
        with open(log_path, "ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(["gcloud", "--quiet", "beta", "emulators", "pubsub", "start", "--host-port=" + self.address, "--data-dir=" + self.path],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for("the emulator listens", lambda: self.says_so(log_path, before) or self.process.poll() is not None, START_S, 0.1)
        except Failure:
            self.stop()
            raise
        if self.process.poll() is not None:
            with open(log_path, encoding="utf-8", errors="replace") as log:
                missing("emulator", "the emulator does not start: %s" % log.read()[-300:])

    @staticmethod
    def says_so(log_path, since):
        with open(log_path, "rb") as log:
            log.seek(since)
            return b"listening on" in log.read()

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_for("the emulator has left", lambda: not is_listening(self.address))


class Fake(Server):
    """pstest of the Go client's source tree."""

    def __init__(self):
        super().__init__()
        self.start()

    def start(self):
        """At another address each time."""
        self.process = spawn([go_peer(), "pstest"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.address = self.first_line()

    def stop(self):
        self.process.stdin.close()
        super().stop()


class Door:
    """A port in front of a server, for its clients: shut, it refuses connections and has cut those that were there; open, it leads to wherever the server is by then."""

    def __init__(self, server):
        self.server, self.address, self.listener, self.ends, self.lock = server, "127.0.0.1:%d" % free_port(), None, [], threading.Lock()

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *_):
        self.shut()

    def open(self):
        host, port = self.address.split(":")
        self.listener = socket.create_server((host, int(port)))
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def shut(self):
        with self.lock:
            for end in [self.listener, *self.ends]:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self.ends = []

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                self.lead(near)

    def lead(self, near):
        """To the server, or, while nobody is there, nowhere."""
        host, port = self.server.address.split(":")
        try:
            with self.lock:
                far = socket.create_connection((host, int(port)))
                self.ends += [near, far]
        except OSError:
            near.close()
            return
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=self.carry, args=(source, target), daemon=True).start()

    @staticmethod
    def carry(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


# --- peers ------------------------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def peers_folder():
    """Tests run side by side: one of them builds."""
    os.makedirs(PEERS, exist_ok=True)
    with open(os.path.join(PEERS, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_older(path, sources):
    return not os.path.exists(path) or any(os.path.getmtime(path) < os.path.getmtime(s) for s in sources)


def go_peer():
    source, binary = os.path.join(HERE, "go"), os.path.join(PEERS, "peer")
    if not shutil.which("go"):
        missing("go", "go is not installed (Debian: golang-go)")
    if not os.path.isdir(GO_TREE + "/src/cloud.google.com/go/pubsub"):
        missing("go", "Google's Go client is not installed (Debian: golang-google-cloud-dev)")
    with peers_folder():
        if is_older(binary, [os.path.join(source, name) for name in os.listdir(source)]):
            env = {**os.environ, "GO111MODULE": "off", "GOPATH": GO_TREE, "GOCACHE": os.path.join(PEERS, "go-cache"), "GOFLAGS": ""}
            built = subprocess.run(["go", "build", "-o", binary + ".new", "."], cwd=source, env=env, capture_output=True, text=True, check=False)
            if built.returncode != 0:
                raise Failure("go build: %s" % built.stderr[-2000:])
            os.rename(binary + ".new", binary)
    return binary


def node_peer():
    source, home = os.path.join(HERE, "node"), os.path.join(PEERS, "node")
    if not shutil.which("node") or not shutil.which("npm"):
        missing("node", "node or npm is not installed")
    with peers_folder():
        os.makedirs(home, exist_ok=True)
        shutil.copy(os.path.join(source, "peer.mjs"), home)
        done = os.path.join(home, "installed")
        if is_older(done, [os.path.join(source, "package.json")]):
            shutil.copy(os.path.join(source, "package.json"), home)
            got = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--cache", os.path.join(PEERS, "npm-cache")], cwd=home, capture_output=True, text=True,
                                 check=False)
            if got.returncode != 0:
                missing("node", "npm can't fetch @google-cloud/pubsub: %s" % got.stderr.strip()[-300:])
            with open(done, "w", encoding="ascii"):
                pass
    return os.path.join(home, "peer.mjs")


class Peer:
    """A client of a server: calls are subcommands, what they print is what they return."""

    def __init__(self, command, server, **env):
        self.command, self.env = command, {**environment(server.address), **env}

    def start(self, *words):
        return spawn(self.command + [str(w) for w in words], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process, seconds=300):
        try:
            out, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure("%s: still running after %g s" % (" ".join(process.args[1:4]), seconds)) from None
        if process.returncode != 0:
            raise Failure("%s: exit %d: %s" % (" ".join(process.args[1:]), process.returncode, errors.strip()[-1500:]))
        return json.loads(out.strip().splitlines()[-1])

    def __call__(self, *words, seconds=300):
        return self.end(self.start(*words), seconds)

    def fails(self, *words):
        """The sentence it fails with."""
        process = self.start(*words)
        out, errors = process.communicate(timeout=60)
        holds("%s fails" % " ".join(map(str, words)), process.returncode != 0, out)
        return errors

    def make(self, name, *options):
        """Topic NAME and subscription NAME-sub."""
        self("topic", "-topic", name)
        self("sub", "-topic", name, "-sub", name + "-sub", *options)
        return name, name + "-sub"


def go_client(server):
    return Peer([go_peer()], server)


def node_client(server):
    return Peer(["node", node_peer()], server, METADATA_SERVER_DETECTION="none")


# --- cases ------------------------------------------------------------------------------------------------------------------------

def run_cases(cases, doc):
    """Runs functions of one argument, a folder of their own; words of the command line choose some. The exit code."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=", ".join(c.__name__ for c in cases))
    names = parser.parse_args().names
    outcomes = [run_case(case) for case in cases if not names or case.__name__ in names]
    print(", ".join("%d %s" % (outcomes.count(o), o) for o in ("passed", "skipped", "failed")), flush=True)
    if "failed" in outcomes or not outcomes:
        return 1
    return 0 if "passed" in outcomes else 77


def run_case(case):
    start, folder, kept = time.monotonic(), tempfile.mkdtemp(prefix="sluice-interop."), ""
    try:
        case(folder)
        outcome, said = "passed", ""
    except Skip as why:
        outcome, said = "skipped", str(why)
    except Failure as why:
        outcome, said, kept = "failed", str(why), folder
    except Exception:  # a bug of the test is a failure of this case, not of the others
        outcome, said, kept = "failed", traceback.format_exc(), folder
    end_all()
    if not kept:
        shutil.rmtree(folder, ignore_errors=True)
    print("%s %s (%.1f s)%s%s" % (outcome, case.__name__, time.monotonic() - start, ": " + said if said else "", " (kept: %s)" % kept if kept else ""), flush=True)
    return outcome


def numbers_in(path):
    """The numbers of a peer's log, without a line that a kill cut off."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as log:
        return [int(line.split()[0]) for line in log if line.endswith("\n")]


def read_ndjson(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
