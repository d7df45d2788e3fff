"""A registry whose uploads go to a store at another address, which sends back, and whose layers lie where nobody answers, at an address that is
signed with `hunter22-signed`: `away.py USER:PASSWORD`. `GET /-/log` answers with who was asked:
`registry METHOD login` or `store METHOD nobody`, one a line."""
import base64, http.server, json, os, sys, threading

login = "Basic " + base64.b64encode(sys.argv[1].encode()).decode()
log = []


class Place(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        if self.path == "/-/log":
            return self.reply(200, {}, "\n".join(log).encode())
        who = self.headers.get("Authorization")
        place = "store" if self.server is store else "registry"
        log.append(f"{place} {self.command} {'login' if who else 'nobody'}")
        if place == "store":
            return self.reply(307, {"Location": f"http://{address(registry)}/v2/back"})
        if who != login:
            return self.reply(401, {"WWW-Authenticate": 'Basic realm="it"'})
        if self.command == "POST":
            return self.reply(202, {"Location": f"http://{address(store)}/upload"})
        if "/manifests/" in self.path:
            kind = "application/vnd.oci.image.manifest.v1+json"
            config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + 64 * "0", "size": 2}
            return self.reply(200, {"Content-Type": kind}, json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []}).encode())
        if "/blobs/" in self.path:
            return self.reply(307, {"Location": "http://127.0.0.1:1/blob?X-Amz-Signature=hunter22-signed"})
        self.reply(404, {})

    do_GET = do_HEAD = do_POST = do_DELETE = serve

    def reply(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def address(server):
    return "127.0.0.1:%d" % server.server_address[1]


registry, store = (http.server.ThreadingHTTPServer(("127.0.0.1", 0), Place) for _ in range(2))
for server in registry, store:
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(registry.server_address[1])
sys.stdin.read()
os._exit(0)
