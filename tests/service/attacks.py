"""What a hostile client may write: over sockets, as paths, names, bodies and ranges."""

from __future__ import annotations

PROJECT, TOKEN = "{project}", "{token}"
"""Stand for those of the test, in the requests of `RAW`."""

_HEAD = f"GET /v1/projects HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{TOKEN}\r\n"
_BODY = (
    f"POST /v1/projects/{PROJECT}/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{TOKEN}\r\n"
    "Content-Type: application/json\r\n"
)
_VIDEO = f"PUT /v1/projects/{PROJECT}/video HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{TOKEN}\r\n"

RAW: dict[str, str | bytes] = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "http-0.9": "GET /v1/projects\r\n\r\n",
    "http-2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no-host": _HEAD.replace("Host: x\r\n", "") + "\r\n",
    "two-hosts": _HEAD + "Host: y\r\n\r\n",
    "nul-in-header": _HEAD + "X: a\0b\r\n\r\n",
    "space-before-colon": _HEAD + "X : a\r\n\r\n",
    "header-of-200-kb": _HEAD + "X: " + "y" * 200_000 + "\r\n\r\n",
    "ten-thousand-headers": _HEAD + "".join(f"X-{n}: y\r\n" for n in range(10_000)) + "\r\n",
    "wrong-token-first": _HEAD.replace(TOKEN, f"Authorization: Bearer no\r\n{TOKEN}") + "\r\n",
    "token-of-bytes": _HEAD.replace(TOKEN, "Authorization: Bearer \xff\xfe") + "\r\n",
    "token-of-1-mb": _HEAD.replace(TOKEN, "Authorization: Bearer " + "x" * 60_000) + "\r\n",
    "method-of-bytes": _HEAD.replace("GET", "G\xffT") + "\r\n",
    "method-of-5-kb": _HEAD.replace("GET", "G" * 5000) + "\r\n",
    "connect": _HEAD.replace("GET /v1/projects", "CONNECT 127.0.0.1:80") + "\r\n",
    "trace": _HEAD.replace("GET", "TRACE") + "\r\n",
    "options-of-all": _HEAD.replace("GET /v1/projects", "OPTIONS *") + "\r\n",
    "absolute-address": _HEAD.replace("/v1/projects", "http://elsewhere/metrics") + "\r\n",
    "path-of-bytes": _HEAD.replace("projects", "projects/\xff\xfe") + "\r\n",
    "path-of-60-kb": _HEAD.replace("projects", "projects/" + "a" * 60_000) + "\r\n",
    "backslashes": _HEAD.replace("/v1/projects", "/v1\\..\\projects") + "\r\n",
    "websocket": _HEAD.replace("Connection: close", "Connection: Upgrade")
    + "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n",
    "length-below-0": _BODY + "Content-Length: -1\r\n\r\n{}",
    "length-with-a-sign": _BODY + "Content-Length: +2\r\n\r\n{}",
    "length-of-30-digits": _BODY + f"Content-Length: {'9' * 30}\r\n\r\n{{}}",
    "length-of-10^6-digits": _BODY + f"Content-Length: {'9' * 10**6}\r\n\r\n{{}}",
    "two-lengths": _BODY + "Content-Length: 2\r\nContent-Length: 6\r\n\r\n{}    ",
    "no-length": _BODY + "\r\n{}",
    "length-beyond-the-body": _BODY + "Content-Length: 1000\r\n\r\n{",
    "length-of-10^18": _VIDEO + f"Content-Length: {10**18}\r\n\r\nx",
    "chunks-and-length": _BODY + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "unknown-coding": _BODY + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two-codings": _BODY
    + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunk-without-a-size": _BODY + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
    "chunk-below-0": _BODY + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "chunk-of-2^68": _BODY + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}",
    "chunks-without-an-end": _BODY + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "video-chunks-without-an-end": _VIDEO + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
}

PATHS = (
    "..", "%2e%2e", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e", "..%5c..%5c", "%00",
    "a%00b", "%0a", "%0d%0aX:%20y", "~root", "%2fetc%2fpasswd", "CON", "NUL.txt", "a" * 5000,
    "%ff%fe", "%ed%a0%80", "%F0%9F%98%80", "%E2%80%AEabc", "*", "%25%32%65", "1e400", "-1",
    "%7B%7D", "bystander.sqlite", "' OR 1=1 --".replace(" ", "%20"), "$(id)", "%3Cscript%3E",
)  # fmt: skip
"""In the place of an id."""

NAMES: dict[str, tuple[str, bool]] = {
    "path": ("../../etc/passwd", True),
    "absolute": ("/etc/cron.d/evil", True),
    "windows": ("C:\\CON", True),
    "script": ("<script>alert(1)</script>", True),
    "sql": ("'; DROP TABLE photos; --", True),
    "template": ("{{7*7}}${7*7}%s%n", True),
    "right-to-left": ("Anna\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", False),
    "emoji": ("\N{GRINNING FACE}" * 3, True),
    "combining": ("Z\u0301" * 40, True),
    "nul": ("Anna\0", False),
    "line-break": ("Anna\r\nX: y", False),
    "surrogate": ("%ED%A0%80", False),
    "empty": ("", False),
    "blanks": ("   ", False),
    "long": ("A" * 81, False),
    "very-long": ("A" * 20_000, False),
}
"""Names of persons, and whether one may be called so."""

_DEEP = 100_000
BODIES: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "not-a-number": b'{"size": NaN}',
    "infinite": b'{"size": Infinity}',
    "1e400": b'{"size": 1e400}',
    "10^6-digits": b'{"size": ' + b"9" * 10**6 + b"}",
    "5000-digits": b'{"size": ' + b"9" * 5000 + b"}",
    "30-digits": b'{"size": ' + b"9" * 30 + b"}",
    "below-0": b'{"size": -1}',
    "nothing": b'{"size": 0}',
    "share": b'{"size": 1.5}',
    "address": b'{"size": 1, "url": "http://127.0.0.1:9/"}',
    "deep-list": b"[" * _DEEP + b"]" * _DEEP,
    "deep-object": b'{"size":' * _DEEP + b"1" + b"}" * _DEEP,
    "no-utf-8": b'{"size": "\xff"}',
    "surrogate": b'{"size": "\\ud800"}',
    "gzip": b"\x1f\x8b\x08\x00" + bytes(100),
    "2-mb": b'{"size": 1}' + b" " * 2 * 2**20,
    "pickle": b"cos\nsystem\n(S'touch pwned'\ntR.",
    "multipart": b'--x\r\nContent-Disposition: form-data; name="size"\r\n\r\n1\r\n--x--\r\n',
}
"""In the place of {"size": ...}."""

RANGES: dict[str, tuple[str, int]] = {
    "reversed": ("bytes=9-1", 200),
    "several": ("bytes=0-1,3-4", 200),
    "ten-thousand": ("bytes=" + ",".join("0-" for _ in range(10_000)), 200),
    "beyond": ("bytes=999999999-", 416),
    "last-none": ("bytes=-0", 416),
    "20-digits": ("bytes=0-" + "9" * 20, 200),
    "19-digits": ("bytes=0-" + "9" * 19, 206),
    "below-0": ("bytes=--1", 200),
    "other-unit": ("frames=0-1", 200),
    "not-ascii": ("bytes=\u0661-\u0662", 200),
    "nothing": ("bytes=", 200),
}
"""Range headers, and the status that they get."""

FOREIGN_TYPES = (
    "application/vnd.bentoml+pickle",
    "application/vnd.bentoml.multi-output",
    "application/vnd.apache.arrow.file",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "text/plain",
    "image/jpeg",
    "",
)
"""Of bodies that BentoML's routes don't take."""
