"""A stand-in machine's port as a browser uses it: gRPC-web, CORS, the files of a page, and clients that misbehave."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import struct
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from grpclib import Status
from viam.gen.common.v1 import common_pb2
from viam.services.generic import Generic

from support.machine_process import DO_COMMAND, GRPC_WEB, MachineProcess, call, do
from support.module_process import PACKAGED
from support.module_process import struct as to_struct

pytestmark = pytest.mark.skipif(PACKAGED, reason="the stand-in machine runs from the source tree")

EMPTY = b""
HTML = "<!doctype html><html><HEAD lang='en'><title>page</title></HEAD></html>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built page, and what lies beside it, is hidden in it, or is linked from it."""
    beside = tmp_path_factory.mktemp("site")
    (beside / "secret.txt").write_text("secret")
    page = beside / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text(HTML)
    (page / "assets" / "app-1.js").write_text("export {}")
    (page / "assets" / "a b ü.svg").write_text("<svg/>")
    (page / ".env").write_text("secret")
    (page / "link.txt").symlink_to(beside / "secret.txt")
    (page / "out").symlink_to(beside)
    os.mkfifo(page / "pipe")
    return page


@pytest.fixture(scope="module")
def machine(folder: Path) -> Iterator[MachineProcess]:
    """One machine for the tests of this file."""
    with MachineProcess("--direct", "--page", str(folder)) as running:
        yield running


@pytest.fixture
def web(machine: MachineProcess) -> Iterator[http.client.HTTPConnection]:
    """A connection as a browser has it."""
    with machine.http() as connection:
        yield connection


async def test_a_browser_gets_the_answers_of_the_sdk(machine: MachineProcess, web: http.client.HTTPConnection) -> None:
    async with machine.robot() as robot:
        expected = await Generic.from_robot(robot, "billing").do_command({"get_invoices_summary": {}})
    assert do(web, {"get_invoices_summary": {}}) == (0, "", expected["get_invoices_summary"])


def test_a_page_of_any_origin_may_call(web: http.client.HTTPConnection) -> None:
    asked = "content-type,grpc-timeout,x-grpc-web"
    headers = {"origin": "http://localhost:5173", "access-control-request-headers": asked}
    web.request("OPTIONS", DO_COMMAND, headers={**headers, "access-control-request-method": "POST"})
    answer = web.getresponse()
    assert (answer.status, answer.read()) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == asked
    assert "POST" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    ("path", "message", "status"),
    [
        (DO_COMMAND, b"\xff\xff", Status.INTERNAL),
        ("/viam.service.generic.v1.GenericService/Other", EMPTY, Status.UNIMPLEMENTED),
        ("/viam.component.arm.v1.ArmService/Stop", EMPTY, Status.UNIMPLEMENTED),
        (DO_COMMAND, EMPTY, Status.UNKNOWN),
    ],
)
def test_a_wrong_call_is_refused(web: http.client.HTTPConnection, path: str, message: bytes, status: Status) -> None:
    assert call(web, path, message)[0] == status.value
    assert do(web, {"help": {}})[0] == 0


def test_a_call_ends_at_its_deadline(web: http.client.HTTPConnection) -> None:
    request = common_pb2.DoCommandRequest(name="billing", command=to_struct({"get_fleet_usage": {"max_age_s": 0}}))
    status, _, _ = call(web, DO_COMMAND, request.SerializeToString(), {**GRPC_WEB, "grpc-timeout": "1n"})
    assert status == Status.DEADLINE_EXCEEDED.value


@pytest.mark.parametrize("body", [b"", b"\0\0\0\0\5abc", b"\1\0\0\0\3abc", b"\0\0\0\0\1ab"])
def test_a_body_that_is_not_one_message_is_refused(web: http.client.HTTPConnection, body: bytes) -> None:
    web.request("POST", DO_COMMAND, body, GRPC_WEB)
    assert b"grpc-status: 13\r\n" in web.getresponse().read()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.0\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n", 415),
        (b"DELETE / HTTP/1.1\r\nconnection: close\r\n\r\n", 405),
    ],
)
def test_a_request_that_is_not_understood_is_refused(
    machine: MachineProcess, request_bytes: bytes, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", machine.port), timeout=30) as connection:
        connection.sendall(request_bytes)
        with contextlib.suppress(ConnectionResetError):  # what is not read any more resets the connection
            seen = b""
            while chunk := connection.recv(65536):
                seen += chunk
    assert seen.startswith(b"HTTP/1.1 %d " % status)


def test_bad_clients_do_not_stop_the_others(machine: MachineProcess, web: http.client.HTTPConnection) -> None:
    """More than it takes at once that say nothing, and some with half a request or what is no HTTP/2."""
    beginnings = [
        b"",
        b"P",
        b"PRI ",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"GET / HT",
    ]
    beginnings += [f"POST {DO_COMMAND} HTTP/1.1\r\ncontent-length: 1000\r\n\r\n".encode() + struct.pack(">BI", 0, 995)]
    with contextlib.ExitStack() as opened:
        for beginning in [*beginnings * 5, *[b""] * 300]:
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", machine.port)))
            connection.sendall(beginning)
        assert do(web, {"help": {}})[0] == 0
    assert do(web, {"help": {}})[0] == 0


def get(
    connection: http.client.HTTPConnection, path: str, method: str = "GET"
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """A file, or why there is none."""
    connection.putrequest(method, path, skip_host=False)  # as it is, without a client's own clean-up
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [
        ("/", "text/html; charset=utf-8", HTML),
        ("/index.html?a=b", "text/html; charset=utf-8", HTML),
        ("/assets/app-1.js", "text/javascript; charset=utf-8", "export {}"),
        ("/assets/a%20b%20%C3%BC.svg", "image/svg+xml", "<svg/>"),
    ],
)
def test_the_files_of_a_page_are_served(web: http.client.HTTPConnection, path: str, kind: str, content: str) -> None:
    status, headers, body = get(web, path)
    assert (status, headers["content-type"], body.decode()) == (200, kind, content)
    assert headers["x-content-type-options"] == "nosniff"
    status, headers, body = get(web, path, "HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(content)), b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/machine/x/../../../secret.txt",
        "/machine/x/%2e%2e/secret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/.env",
        "/%2eenv",
        "/link.txt",
        "/out/secret.txt",
        "/out/",
        "/pipe",
        "/assets",
        "/assets/",
        "/index.html%00.txt",
        "/index.html/",
        "/%ff",
        "/%zz",
        "/" + "a" * 5000,
        "/" + "a/" * 5000,
    ],
)
def test_no_path_leaves_the_folder(web: http.client.HTTPConnection, path: str) -> None:
    """Links are not followed, and what is hidden or no file is not there."""
    status, _, body = get(web, path)
    assert status == 404
    assert b"secret" not in body
    assert get(web, "/")[0] == 200


def test_a_page_is_served_as_a_viam_application(web: http.client.HTTPConnection) -> None:
    """Without the cookie until it is asked for; relative paths start at the machine."""
    status, headers, body = get(web, "/machine/other.host-1/")
    assert (status, headers["set-cookie"]) == (200, None)
    assert body.decode() == HTML.replace("'en'>", "'en'><base href=\"/machine/other.host-1/\">")
    assert get(web, "/machine/other.host-1/assets/app-1.js")[2] == b"export {}"
    status, headers, _ = get(web, "/machine/other.host-1")
    assert (status, headers["location"]) == (302, "/machine/other.host-1/")
    assert get(web, "/machine/%22%3E/")[0] == 404


def test_the_cookie_tells_a_page_where_the_machine_is(machine: MachineProcess, web: http.client.HTTPConnection) -> None:
    status, headers, _ = get(web, "/start?view=fleet")
    assert status == 302
    ((name, cookie),) = SimpleCookie(headers["set-cookie"]).items()
    assert headers["location"] == f"/machine/{name}/?view=fleet"
    told = json.loads(unquote_plus(cookie.value))
    assert told["hostname"] == f"localhost:{machine.port}"
    assert told["machineId"] == name
    assert told["credentials"] == {
        "type": "api-key",
        "payload": told["apiKey"]["key"],
        "authEntity": told["apiKey"]["id"],
    }
    assert get(web, headers["location"])[0] == 200
