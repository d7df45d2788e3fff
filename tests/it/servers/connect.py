"""A proxy of a company: `connect.py HOST:PORT REAL-HOST:PORT`. CONNECT to the first leads to the second, and to nothing else. `GET /-/log` answers with
the places that were asked for, one a line."""
import http.server, os, socket, sys, threading

asked, real = sys.argv[1:]
log = []


def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class Proxy(http.server.BaseHTTPRequestHandler):
    def do_CONNECT(self):
        log.append(self.path)
        if self.path != asked:
            return self.send_error(403)
        host, _, port = real.partition(":")
        with socket.create_connection((host, int(port))) as upstream:
            self.send_response(200)
            self.end_headers()
            threading.Thread(target=copy, args=(self.connection, upstream), daemon=True).start()
            copy(upstream, self.connection)
        self.close_connection = True

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write("\n".join(log).encode())

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1])
sys.stdin.read()
os._exit(0)
