"""A certificate authority of our own, and a certificate for each name that a client asks for."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import ssl
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, Name

_REMEMBERED_NAMES = 256
_KEY_FILE = "ca-key.pem"  # key and certificate in one file, so that one atomic step makes both
_CERTIFICATE_FILE = "ca.pem"


class Authority:
    """Signs a certificate for any name; whoever trusts `certificate` trusts all of them.

    Keys are on the P-256 curve: making the authority takes less than a millisecond, a further name a third of one.
    """

    def __init__(self, key: EllipticCurvePrivateKey, certificate: Certificate) -> None:
        self._key = key
        self._certificate = certificate
        self._leaf_key = _new_key()  # one for all names: they all lead to this process
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def fresh(cls) -> Authority:
        """Make an authority that lives and dies with this process."""
        return cls(*_new_authority())

    @classmethod
    def stored(cls, folder: Path) -> Authority:
        """Load the authority kept in a folder, or make and keep one; the key's file is for its owner only."""
        path = folder / _KEY_FILE
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _keep(path, *_new_authority())
        return cls(*_load(path))

    @property
    def certificate(self) -> str:
        """The authority's own certificate in PEM, for clients to trust; it holds no secret."""
        return _pem(self._certificate).decode("ascii")

    def write_certificate(self, folder: Path) -> Path:
        """Write the certificate where child processes can read it, and return the file."""
        path = folder / _CERTIFICATE_FILE
        draft = folder / f".{_CERTIFICATE_FILE}.{os.getpid()}.{threading.get_ident()}"
        draft.write_text(self.certificate, encoding="ascii")
        draft.replace(path)
        return path

    def client_context(self) -> ssl.SSLContext:
        """Make a context for a client that trusts this authority and nobody else."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.certificate)
        return context

    def server_context(self, name: str) -> ssl.SSLContext:
        """Make, or find again, a server's context for a name.

        A client that asks for another name (SNI) is switched over to that name's certificate.
        """
        name = name.lower()
        with self._lock:
            context = self._contexts.pop(name, None) or self._mint(name)
            self._contexts[name] = context
            if len(self._contexts) > _REMEMBERED_NAMES:
                self._contexts.popitem(last=False)
        return context

    def _mint(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0  # loopback handshakes are cheap; tickets nobody reads only cost a write
        context.sni_callback = self._switch
        _load_chain(context, _pem_key(self._leaf_key) + _pem(self._leaf(name)))
        return context

    def _switch(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None:
            connection.context = self.server_context(name)

    def _leaf(self, name: str) -> Certificate:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        skeleton = _skeleton(_common_name("phi-azure emulator"), self._certificate.subject, days=365)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            skeleton.public_key(self._leaf_key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._leaf_key.public_key()), critical=False)
            .add_extension(issuer, critical=False)
            .add_extension(x509.SubjectAlternativeName([_general_name(name)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _new_authority() -> tuple[EllipticCurvePrivateKey, Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    key = _new_key()
    name = _common_name("phi-azure emulator, this machine only")
    # Python 3.13 verifies strictly (RFC 5280): without usage and key identifier the authority would be refused.
    certificate = (
        _skeleton(name, name, days=3650)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_signing_only(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _common_name(text: str) -> Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text)])


def _skeleton(subject: Name, issuer: Name, *, days: int) -> CertificateBuilder:
    from cryptography import x509

    now = dt.datetime.now(dt.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _signing_only() -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _load_chain(context: ssl.SSLContext, pem: bytes) -> None:
    """Hand key and certificate to OpenSSL, which takes files only; the file is for its owner and gone at once."""
    handle, path = tempfile.mkstemp(prefix="phi-azure-", suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()


def _keep(path: Path, key: EllipticCurvePrivateKey, certificate: Certificate) -> None:
    """Write the authority's file in one step; when another process was first, its authority stays."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".ca-")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_pem_key(key) + _pem(certificate))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()


def _load(path: Path) -> tuple[EllipticCurvePrivateKey, Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    pem = path.read_bytes()
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no key of the emulator; delete the file and a new one is made")
    return key, x509.load_pem_x509_certificate(pem)
