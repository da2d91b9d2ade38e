"""A local embedding server around all-MiniLM-L6-v2: OpenAI's `/v1/embeddings` and Ollama's `/api/embed`.

usage: embeddings.py MODEL_FOLDER PORT

Listens on this port of loopback once the model is ready. It is for tests: it is honest about mistakes in a request and
never fails on purpose. Whoever wants faults puts a proxy in front.
"""

import base64
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from minilm import MiniLm

# Names under which OpenAI-compatible servers and Ollama know the model.
NAMES = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2", "all-minilm", "all-minilm:latest")
MAX_TEXTS = 256
MAX_BODY_BYTES = 4 << 20


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, code: str | None = None):
        super().__init__(message)
        self.status, self.code = status, code


class Handler(BaseHTTPRequestHandler):
    """One connection; they are kept open between requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Headers and body leave in one segment.
    wbufsize = -1
    model: MiniLm
    # More threads in the model than processors only take memory.
    at_once = threading.Semaphore(os.cpu_count() or 1)

    def do_GET(self):
        if self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in NAMES]})
        elif self.path == "/api/tags":
            self.answer(200, {"models": [{"name": name, "model": name} for name in NAMES]})
        else:
            self.refuse(Refusal(404, f"there is no {self.path}"))

    def do_POST(self):
        routes = {"/v1/embeddings": self.open_ai, "/api/embed": self.ollama}
        try:
            request = self.read_json()
            if self.path not in routes:
                raise Refusal(404, f"there is no {self.path}")
            self.answer(200, routes[self.path](request))
        except Refusal as refusal:
            self.refuse(refusal)

    def open_ai(self, request: dict) -> dict:
        name, vectors, tokens = self.embed(request)
        if not len(vectors):
            raise Refusal(400, "`input` is empty")
        as_base64 = request.get("encoding_format", "float") == "base64"
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode() if as_base64 else vector.tolist(),
            }
            for index, vector in enumerate(vectors)
        ]
        return {
            "object": "list",
            "data": data,
            "model": name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    def ollama(self, request: dict) -> dict:
        began = time.perf_counter_ns()
        name, vectors, tokens = self.embed(request)
        took = time.perf_counter_ns() - began
        return {
            "model": name,
            "embeddings": vectors.tolist(),
            "total_duration": took,
            "load_duration": 0,
            "prompt_eval_count": tokens,
        }

    def embed(self, request: dict):
        name, texts = request.get("model"), request.get("input")
        if name not in NAMES:
            raise Refusal(404, f"the model {name!r} does not exist", "model_not_found")
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Refusal(400, "`input` must be a string or a list of strings")
        if len(texts) > MAX_TEXTS:
            raise Refusal(400, f"`input` has {len(texts)} texts, {MAX_TEXTS} at most are embedded at once")
        if not all(texts):
            raise Refusal(400, "`input` holds an empty text")
        with self.at_once:
            return name, *self.model.embed(texts)

    def read_json(self) -> dict:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            # What follows cannot be told from the next request.
            self.close_connection = True
            raise Refusal(413 if length.isdigit() else 411, f"a body of {MAX_BODY_BYTES} bytes at most is expected")
        try:
            request = json.loads(self.rfile.read(int(length)))
        except ValueError as error:
            raise Refusal(400, f"the body is not JSON: {error}") from error
        if not isinstance(request, dict):
            raise Refusal(400, "the body is not a JSON object")
        return request

    def refuse(self, refusal: Refusal):
        message = str(refusal)
        if self.path.startswith("/api/"):
            self.answer(refusal.status, {"error": message})
        else:
            error = {"message": message, "type": "invalid_request_error", "param": None, "code": refusal.code}
            self.answer(refusal.status, {"error": error})

    def answer(self, status: int, body: dict):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        # Clients that leave in mid-request are part of what tests do.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main():
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    Handler.model = MiniLm(folder)
    Handler.model.embed(["warm"])
    with Server(("127.0.0.1", port), Handler) as server:
        server.serve_forever()


main()
