"""A program of its own: gives ssh a connection that goes through a SOCKS5 proxy. RFC 1928, and RFC 1929 for the password.

ssh runs it as its ProxyCommand, always the same line: what a user wrote (proxy, password, target) comes by the environment,
so that no shell ever reads it. The connected socket is handed over (ProxyUseFdpass), and this ends. Standard library alone.
"""

import ipaddress
import os
import socket
import sys

PROXY, TARGET = "FLEETLOOP_SOCKS_PROXY", "FLEETLOOP_SOCKS_TARGET"  # host:port, brackets around IPv6
USERNAME, PASSWORD = "FLEETLOOP_SOCKS_USERNAME", "FLEETLOOP_SOCKS_PASSWORD"
TIMEOUT = 30.0  # seconds
_REFUSALS = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "address type not supported",
}


class SocksError(Exception):
    """The proxy does not connect us; the message holds no secret."""


def main() -> int:
    environment = os.environ
    try:
        proxy, target = (_place(environment.get(name, "")) for name in (PROXY, TARGET))
        with socket.create_connection(proxy, TIMEOUT) as connection:
            introduce(connection, environment.get(USERNAME, ""), environment.get(PASSWORD, ""))
            connect(connection, *target)
            connection.settimeout(None)
            with socket.socket(fileno=os.dup(sys.stdout.fileno())) as ssh:
                socket.send_fds(ssh, [b"\0"], [connection.fileno()])
    except (SocksError, OSError) as error:
        print(f"socks5 proxy: {error}", file=sys.stderr)
        return 1
    return 0


def introduce(connection: socket.socket, username: str, password: str) -> None:
    """Raises SocksError, OSError."""
    connection.sendall(b"\x05\x02\x00\x02" if username else b"\x05\x01\x00")
    version, method = _read(connection, 2)
    if version != 5:
        raise SocksError("the server there is none")
    if method == 2 and username:
        connection.sendall(b"\x01" + _short(username, "user name") + _short(password, "password"))
        if _read(connection, 2)[1] != 0:
            raise SocksError("it does not accept this user name and password")
    elif method != 0:
        raise SocksError("it wants a user name and password")


def connect(connection: socket.socket, host: str, port: int) -> None:
    """Names are resolved by the proxy. Raises SocksError, OSError."""
    try:
        address = ipaddress.ip_address(host)
        target = (b"\x01" if address.version == 4 else b"\x04") + address.packed
    except ValueError:
        target = b"\x03" + _short(host, "host name")
    connection.sendall(b"\x05\x01\x00" + target + port.to_bytes(2, "big"))
    _, refusal, _, kind = _read(connection, 4)
    if refusal:
        raise SocksError(_REFUSALS.get(refusal, f"refused with code {refusal}"))
    length = {1: 4, 4: 16}.get(kind) or _read(connection, 1)[0]
    _read(connection, length + 2)  # the proxy's own address, which nobody needs


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not host:
        raise SocksError("no address given")
    return host.strip("[]"), int(port)


def _short(text: str, what: str) -> bytes:
    raw = text.encode()
    if not raw or len(raw) > 255:
        raise SocksError(f"the {what} is empty or longer than 255 bytes")
    return bytes([len(raw)]) + raw


def _read(connection: socket.socket, size: int) -> bytes:
    """Exactly so much: what follows is for ssh."""
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise SocksError("it closed the connection")
        found += part
    return found


if __name__ == "__main__":
    sys.exit(main())
