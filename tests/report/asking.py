"""Requests to a server of runs, as they are written."""

import http.client
from urllib.parse import urlsplit

from wellposed.report.serving.server import RunServer

SECRET = "what nobody else may read"
"""Lies beside the folder that is served, and in a run."""


def ask(
    server: RunServer, target: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Status, headers and text; the target goes out as it is."""
    address = urlsplit(server.address)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    connection.putrequest(method, target, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), text
