#!/usr/bin/env python3
"""What does the Lambda function cost beside the pictures?

    benches/lambda.py [PROGRAM] [ZIP]

Starts PROGRAM (target/lambda/image-origin) again and again as Lambda would, with a server of the runtime API and one of
S3 in this process, and prints: the time from the start of the process to the first answer for w=300, and what of it was
not work on the picture; the time that a warm event costs beside the answer itself; memory at rest; sizes. Only the
standard library is needed. The S3 here checks no signatures: that is tests/aws/.
"""
import hashlib, http.server, json, os, queue, statistics, subprocess, sys, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../target/lambda/image-origin")
PHOTO = open(os.path.join(HERE, "../fixtures/photo.jpg"), "rb").read()
EVENT = json.load(open(os.path.join(HERE, "../fixtures/events/function-url.json")))
COLD_RUNS, WARM_EVENTS = 30, 300


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def send(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class Store(Server):
    def do_GET(self):
        tag = '"%s"' % hashlib.md5(PHOTO).hexdigest()
        self.send(200, PHOTO, ETag=tag, Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")


class Runtime(Server):
    """The API of one process, which is not asked by those before it."""

    def do_GET(self):
        body = json.dumps(self.server.events.get()).encode()
        deadline = int((time.time() + 30) * 1000)
        self.server.sent = time.perf_counter()
        self.send(200, body, Lambda_Runtime_Aws_Request_Id="1", Lambda_Runtime_Deadline_Ms=str(deadline))

    def do_POST(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        self.server.answers.put((time.perf_counter(), body))
        self.send(202, b"{}")


def listen(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # processes are killed in the middle of their polls
    server.address, server.events, server.answers = "127.0.0.1:%d" % server.server_port, queue.Queue(), queue.Queue()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def event(target):
    document = json.loads(json.dumps(EVENT))
    document["rawPath"], _, document["rawQueryString"] = target.partition("?")
    document["requestContext"]["http"]["method"] = "GET"
    document["headers"] = {}
    return document


def start(store):
    api = listen(Runtime)
    environment = {
        "AWS_LAMBDA_RUNTIME_API": api.address, "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_LOG_GROUP_NAME": "g", "AWS_LAMBDA_LOG_STREAM_NAME": "s",
        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-central-1", "HOME": "/nonexistent",
        "IMAGE_ORIGIN_SOURCE": "s3://bucket", "IMAGE_ORIGIN_S3_ENDPOINT": "http://" + store.address,
        "IMAGE_ORIGIN_S3_PATH_STYLE": "true",
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    return api, subprocess.Popen([PROGRAM], env=environment, **pipes)


def figures(process):
    return json.loads(process.stdout.readline())


def resident(process):
    lines = open("/proc/%d/status" % process.pid).read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def show(name, values, unit="ms"):
    print("%-58s least %8.2f   median %8.2f %s" % (name, min(values), statistics.median(values), unit), flush=True)


def main():
    store = listen(Store)
    cold, beside, processor, idle = [], [], [], []
    for _ in range(COLD_RUNS):
        started = time.perf_counter()
        api, process = start(store)
        api.events.put(event("/photo.jpg?w=300"))
        ended, body = api.answers.get(timeout=30)
        assert b'"statusCode":200' in body[:40], body[:200]
        line = figures(process)
        work = line["Decode"] + line["Resize"] + line["Encode"]
        cold.append((ended - started) * 1000)
        beside.append(cold[-1] - work)
        process.kill()
        used = os.wait4(process.pid, 0)[2]
        processor.append((used.ru_utime + used.ru_stime) * 1000)
    show("start of the process to the first answer, w=300", cold)
    show("... beside decoding, resizing and encoding (bar: 60)", beside)
    show("processor time of all of it", processor)
    for _ in range(5):
        _, process = start(store)
        time.sleep(0.5)
        idle.append(resident(process))
        process.kill()
        process.wait()
    show("memory at rest (bar: 25)", idle, "MiB")
    api, process = start(store)
    warm = []
    for number in range(WARM_EVENTS):
        api.events.put(event("/photo.jpg?w=%d" % (20 + number % 50)))
        ended, _ = api.answers.get(timeout=30)
        warm.append((ended - api.sent) * 1000 - figures(process)["Total"])
    show("a warm event, beside the answer itself (bar: 1)", warm[20:])
    print("memory after %d events: %.1f MiB" % (WARM_EVENTS, resident(process)))
    process.kill()
    print("program (bar: 20 MiB): %.2f MiB" % (os.path.getsize(PROGRAM) / (1 << 20)))
    if len(sys.argv) > 2:
        print("zip (bar: 9 MiB): %.2f MiB" % (os.path.getsize(sys.argv[2]) / (1 << 20)))


main()
