# For sourcing. A port for what ends and is started again, or takes a while to listen: none that the kernel gives away, nor one of the other tests (from 10000).
own_port() {
    python3 -c '
import contextlib, random, socket
for port in random.SystemRandom().sample(range(5000, 10000), 1000):
    with contextlib.suppress(OSError), socket.socket() as s:
        s.bind(("127.0.0.1", port))
        print(port)
        break'
}
