#!/usr/bin/env python3
"""What stands in for Google Cloud on loopback: TLS in front of a broker, once per certificate, and an endpoint for tokens.

usage: cloud_peers.py TARGET_PORT MODE_FILE LOG_FILE NAME=CERT:KEY...

Prints one JSON line of ports: {"http": N, NAME: N, ...}. MODE_FILE says how the token endpoint behaves: ok, short, down or refused. LOG_FILE gets a line per request for a token, one per client
of a broker, and one with the bytes that it has sent when it leaves.
"""
import http.server
import json
import selectors
import socket
import ssl
import sys
import threading

TOKEN = "ya29.the-token-that-nobody-may-see"


class Tokens(http.server.BaseHTTPRequestHandler):
    mode_file, log_file = "", ""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with open(self.mode_file) as file:
            mode = file.read().strip()
        log(f"{self.command} {self.path} {mode} {len(body)}")
        answers = {
            "ok": (200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}),
            "short": (200, {"access_token": TOKEN, "expires_in": 2}),
            "down": (503, {}),
            "refused": (400, {"error": "invalid_grant", "error_description": "Token has been revoked."}),
        }
        status, said = answers[mode]
        said = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def log(line):
    with open(Tokens.log_file, "a") as file:
        file.write(line + "\n")


def serve_tls(listener, context, target):
    while True:
        plain, _ = listener.accept()
        log("client")
        threading.Thread(target=connect, args=(plain, context, target), daemon=True).start()


def connect(plain, context, target):
    """Both directions by one thread: an SSL object is not to be read and written by two at once."""
    try:
        client = context.wrap_socket(plain, server_side=True)
        server = socket.create_connection(("127.0.0.1", target))
    except OSError:
        plain.close()
        log("bytes 0")
        return
    sent = 0
    with client, server, selectors.DefaultSelector() as ready:
        ready.register(client, selectors.EVENT_READ, server)
        ready.register(server, selectors.EVENT_READ, client)
        try:
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(65536)
                    while key.fileobj is client and client.pending():
                        data += client.recv(client.pending())
                    if not data:
                        return
                    sent += len(data) if key.fileobj is client else 0
                    key.data.sendall(data)
        except OSError:
            return
        finally:
            log(f"bytes {sent}")


def main():
    target, Tokens.mode_file, Tokens.log_file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    tokens = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=tokens.serve_forever, daemon=True).start()
    ports = {"http": tokens.server_address[1]}
    for place in sys.argv[4:]:
        name, files = place.split("=")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files.split(":"))
        context.set_alpn_protocols(["h2"])
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        ports[name] = listener.getsockname()[1]
        threading.Thread(target=serve_tls, args=(listener, context, target), daemon=True).start()
    print(json.dumps(ports), flush=True)
    threading.Event().wait()


main()
