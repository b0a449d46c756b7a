"""Folders, loopback networks, keys, kubeconfigs, locks and pauses of local clusters."""

import datetime
import ipaddress
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from fleetloop.kube import from_kubeconfig
from fleetloop.local import kubeconfig, lock
from fleetloop.local.backoff import Backoff
from fleetloop.local.network import Network, candidates
from fleetloop.local.pki import Authority, ensure_service_account_keys
from fleetloop.local.state import BadClusterName, StateFolder, default_folder, write_private


def test_the_default_folder_is_the_users_data() -> None:
    assert default_folder({"HOME": "/home/ada"}) == Path("/home/ada/.local/share/fleetloop")
    assert default_folder({"HOME": "/home/ada", "XDG_DATA_HOME": "/data"}) == Path("/data/fleetloop")


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-a", "a-", "a" * 41, "a b"])
def test_names_that_cannot_be_folder_context_and_node(name: str) -> None:
    with pytest.raises(BadClusterName):
        StateFolder(Path("/x")).cluster(name)


def test_networks_differ_and_stay(tmp_path: Path) -> None:
    first = Network.remembered(tmp_path / "a", seed="a")
    second = Network.remembered(tmp_path / "b", seed="b")
    assert first != second
    assert Network.remembered(tmp_path / "a", seed="another") == first
    assert first.server not in first.pod_addresses()
    assert len(set(first.pod_addresses())) == 253
    assert all(ipaddress.ip_address(address).is_loopback for address in first.pod_addresses())


def test_candidates_leave_common_addresses_alone() -> None:
    networks = list(candidates("seed"))
    assert not any(network.prefix.subnet_of(ipaddress.ip_network("127.0.0.0/12")) for network in networks)
    assert len({network.prefix for network in networks}) > 900


def test_private_files_are_private_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "key"
    write_private(path, "one")
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["key"]


def test_certificates_name_their_holders(tmp_path: Path) -> None:
    authority = Authority.ensure(tmp_path, "fleetloop-a")
    again = Authority.ensure(tmp_path, "ignored")
    assert again.pem == authority.pem
    server = x509.load_pem_x509_certificate(
        again.issue_server("api", ["127.1.2.1", "kubernetes.default.svc"]).certificate.encode()
    )
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes.default.svc"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.1.2.1")]
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pem.encode()))
    client = x509.load_pem_x509_certificate(authority.issue_client("ada", ["system:masters"]).certificate.encode())
    assert client.subject.rfc4514_string() == "CN=ada,O=system:masters"
    assert client.not_valid_after_utc - datetime.datetime.now(datetime.UTC) < datetime.timedelta(days=366)


def test_service_account_keys_are_kept(tmp_path: Path) -> None:
    ensure_service_account_keys(tmp_path)
    before = (tmp_path / "sa.key").read_bytes()
    ensure_service_account_keys(tmp_path)
    assert (tmp_path / "sa.key").read_bytes() == before


def test_kubeconfigs_are_merged_and_keep_the_chosen_context(tmp_path: Path) -> None:
    authority = Authority.ensure(tmp_path, "x")
    documents = [
        kubeconfig.kubeconfig_of(name, f"https://{name}", authority.pem, authority.issue_client("ada", []))
        for name in ("fleetloop-a", "fleetloop-b")
    ]
    assert kubeconfig.merged(documents, "")["current-context"] == "fleetloop-a"
    assert kubeconfig.merged(documents, "fleetloop-b")["current-context"] == "fleetloop-b"
    assert kubeconfig.merged(documents, "gone")["current-context"] == "fleetloop-a"
    kubeconfig.write(tmp_path / "config", kubeconfig.merged(documents, ""))
    connection = from_kubeconfig([tmp_path / "config"], context="fleetloop-b")
    assert connection.server == "https://fleetloop-b"
    assert isinstance(connection.ssl_context(), ssl.SSLContext)


def test_one_holder_a_lock_which_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert lock.holder(path) is None
    with lock.held_by_this_process(path):
        assert lock.holder(path) == os.getpid()
        with pytest.raises(lock.AlreadyRunning), lock.held_by_this_process(path):
            pass
    assert lock.holder(path) is None
    code = (
        "import os, sys; from pathlib import Path; from fleetloop.local import lock\n"
        "with lock.held_by_this_process(Path(sys.argv[1])): os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert lock.holder(path) is None


def test_pauses_double_and_are_forgotten_after_a_long_run() -> None:
    now = [0.0]
    backoff = Backoff(1, 5, forget_after=60, clock=lambda: now[0])
    with backoff.measured():
        pass
    assert [backoff.next_pause() for _ in range(4)] == [1, 2, 4, 5]
    with backoff.measured():
        now[0] += 60
    assert backoff.next_pause() == 1
