"""How the clouds' libraries are told of a proxy."""

from urllib.parse import quote

from fleetloop.auth.git_credentials import ProxyAccess


def proxies_of(proxy: ProxyAccess | None) -> dict[str, str]:
    """For `requests` and what is built on it; empty leaves those of the environment in force. Names are resolved by the proxy."""
    return {} if proxy is None else dict.fromkeys(("http", "https"), proxy_url(proxy))


def proxy_url(proxy: ProxyAccess) -> str:
    """The address with the user info in it: a secret."""
    scheme, _, rest = proxy.address.partition("://")
    scheme = "socks5h" if scheme == "socks5" else scheme
    if not proxy.username:
        return f"{scheme}://{rest}"
    return f"{scheme}://{quote(proxy.username, safe='')}:{quote(proxy.password, safe='')}@{rest}"
