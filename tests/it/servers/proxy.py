"""In front of a registry: `proxy.py HOST:PORT METHOD PATH-PART AGENT COUNT FAULT`.

The first COUNT requests (or, with `SKIP+COUNT`, those behind the first SKIP) of that method and path, by a client whose name holds AGENT, get FAULT: `503` as a gateway says it, `503-json` as a
registry does, `429-later` with two seconds to wait (`EARLY` stands in the log when that is not done), `reset`, or `silent` for a minute. The rest is handed on. With the FAULT `referrers` it is a registry that itself lists what is attached to an image. An empty word means any. `GET /-/log` answers with what was asked so far: `METHOD PATH STATUS`, one a line."""
import hashlib, http, http.client, json, socket, struct, sys, threading, time

from serving import Handler, serve

target, method, part, agent, count, fault = sys.argv[1:]
# `SKIP+COUNT` lets the first SKIP of them through.
skip, _, count = count.rpartition("+")
skip, left = int(skip or 0), int(count)
log, lock, attached, due = [], threading.Lock(), {}, [0]
CODES = {"401": "UNAUTHORIZED", "403": "DENIED", "404": "NAME_UNKNOWN", "429": "TOOMANYREQUESTS", "500": "UNKNOWN", "503": "UNAVAILABLE"}


class Proxy(Handler):
    def faulty(self):
        global left, skip
        with lock:
            hit = (not method or self.command == method) and part in self.path and agent in self.headers.get("User-Agent", "") and left > 0
            if hit and skip > 0:
                skip -= 1
                return False
            left -= hit
        return hit

    def do(self):
        if self.path == "/-/log":
            return self.reply(200, {}, "\n".join(log).encode())
        if part in self.path and time.monotonic() < due[0]:
            log.append(f"{self.command} {self.path} EARLY")
        if self.faulty():
            log.append(f"{self.command} {self.path} {fault}")
            self.close_connection = True
            if fault == "silent":
                threading.Event().wait(60)
                return
            if fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                return
            status = fault.removesuffix("-json").removesuffix("-later")
            reason = http.HTTPStatus(int(status)).phrase
            body, kind = f"<html><h1>{status} {reason}</h1></html>", "text/html"
            if fault.endswith("-json"):
                body, kind = '{"errors":[{"code":"%s","message":"%s"}]}' % (CODES[status], reason.lower()), "application/json"
            headers = {"Connection": "close", "Content-Type": kind}
            if fault.endswith("-later"):
                headers["Retry-After"], due[0] = "2", time.monotonic() + 2
            return self.reply(int(status), headers, body.encode())
        if fault == "referrers" and "/referrers/" in self.path:
            log.append(f"{self.command} {self.path} 200")
            index = {"schemaVersion": 2, "manifests": attached.get(self.path.rpartition("/")[2], [])}
            return self.reply(200, {"Content-Type": "application/vnd.oci.image.index.v1+json"}, json.dumps(index).encode())
        upstream = http.client.HTTPConnection(target, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders()
        sent = b""
        for piece in self.body():
            upstream.send(piece)
            sent += piece if "/manifests/" in self.path else b""
        answer = upstream.getresponse()
        body = answer.read()
        log.append(f"{self.command} {self.path} {answer.status}")
        headers = {k: v for k, v in answer.getheaders() if k.lower() not in ("transfer-encoding", "connection", "date", "server")}
        subject = json.loads(sent).get("subject") if sent and fault == "referrers" and self.command == "PUT" else None
        if subject:
            digest = "sha256:" + hashlib.sha256(sent).hexdigest()
            one = {"mediaType": self.headers["Content-Type"], "digest": digest, "size": len(sent), "artifactType": json.loads(sent)["artifactType"]}
            attached.setdefault(subject["digest"], []).append(one)
            headers["OCI-Subject"] = subject["digest"]
        self.reply(answer.status, headers, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while True:
                line = self.rfile.readline()
                size = int(line, 16)
                data = self.rfile.read(size)
                self.rfile.readline()
                yield line + data + b"\r\n"
                if size == 0:
                    return
        elif length := int(self.headers.get("Content-Length", 0)):
            yield self.rfile.read(length)

    def reply(self, status, headers, body):
        self.send_response_only(status)
        if not any(name.lower() == "content-length" for name in headers) and status != 204:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


serve(Proxy)
