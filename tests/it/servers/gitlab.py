"""GitLab's notes of one merge request, as far as a note needs them: it holds state and can be told to fail.

gitlab.py TOKEN [NOTES]: NOTES notes of others are there before. GET /state returns what was written and asked; POST /fail takes
{"method", "status", "times", "done", "retry_after"}: the next requests of that method fail, `done` after they were carried out.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = sys.argv[1]
ME = {"id": 42, "username": "project_7_bot"}
NOTES = [
    {"id": number, "body": "a remark", "author": {"id": 1}, "system": False}
    for number in range(1, 1 + int(sys.argv[2] if len(sys.argv) > 2 else 0))
]
ASKED, FAILS, LOCK = [], [], threading.Lock()
BASE = "/api/v4/projects/7/merge_requests/3/notes"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, value, headers=()):
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        with LOCK:
            self.route()

    do_GET = do_POST = do_PUT = handle_any

    def route(self):
        path, _, query = self.path.partition("?")
        said = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or "null")
        if path == "/state":
            return self.answer(200, {"notes": NOTES, "asked": ASKED})
        if path == "/note":
            NOTES.append({"id": len(NOTES) + 1, "system": False, **said})
            return self.answer(201, {})
        if path == "/fail":
            FAILS.append(said)
            return self.answer(201, {})
        ASKED.append(f"{self.command} {path}")
        if self.headers.get("PRIVATE-TOKEN") != TOKEN:
            return self.answer(401, {"message": "401 Unauthorized"})
        fail = next((one for one in FAILS if one["method"] == self.command and one["times"] > 0), None)
        if fail:
            fail["times"] -= 1
            if fail.get("done"):
                self.carry_out(path, query, said)
            wait = [("Retry-After", str(fail["retry_after"]))] if "retry_after" in fail else []
            return self.answer(fail["status"], {"message": "told to fail"}, wait)
        self.answer(*self.carry_out(path, query, said))

    def carry_out(self, path, query, said):
        if path == "/api/v4/user":
            return 200, ME
        if path == BASE and self.command == "GET":
            asked = dict(pair.split("=") for pair in query.split("&"))
            page, size = int(asked["page"]), int(asked["per_page"])
            more = str(page + 1) if len(NOTES) > page * size else ""
            return 200, NOTES[(page - 1) * size : page * size], [("X-Next-Page", more)]
        if path == BASE and self.command == "POST":
            note = {"id": len(NOTES) + 1, "body": said["body"], "author": ME, "system": False}
            NOTES.append(note)
            return 201, note
        if path.startswith(BASE + "/") and self.command == "PUT":
            note = next((one for one in NOTES if one["id"] == int(path.rsplit("/", 1)[1])), None)
            if note is None:
                return 404, {"message": "404 Note Not Found"}
            if note["author"]["id"] != ME["id"]:
                return 403, {"message": "403 Forbidden"}
            note["body"] = said["body"]
            return 200, note
        return 404, {"message": "404 Not Found"}


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
