#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Shows the counters of a running program in a browser, and gives them to Prometheus, which reads no local sockets.

    vionet-charts.py SOCKET [PORT]      then http://127.0.0.1:9471/ in a browser, and /metrics for Prometheus

Only this machine's own programs can connect.
"""
import http.client
import http.server
import pathlib
import socket
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
FILES = {"/": ("charts.html", "text/html"), "/charts.js": ("charts.js", "text/javascript")}


class ControlSocket(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(sys.argv[1])


def metrics():
    connection = ControlSocket("localhost")
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        return answer.status, "text/plain; version=0.0.4", answer.read()
    except (OSError, http.client.HTTPException) as failure:
        return 502, "text/plain", f"{sys.argv[1]}: {failure}\n".encode()
    finally:
        connection.close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        path = self.path.split("?")[0]
        if path == "/metrics":
            status, kind, body = metrics()
        elif path in FILES:
            name, kind = FILES[path]
            status, body = 200, (FOLDER / name).read_bytes()
        else:
            status, kind, body = 404, "text/plain", b"not found\n"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: vionet-charts.py SOCKET [PORT]")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) == 3 else 9471), Handler)
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


main()
