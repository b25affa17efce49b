"""The small files that the programs need: a signing key, tokens, an audit policy, kubeconfigs, and free ports."""

import base64
import json
import os
import secrets
import socket
from pathlib import Path

# The order of the curve P-256; a private key is any number from 1 to this less 1.
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# RFC 5915: SEQUENCE { version 1, OCTET STRING of 32 bytes, [0] OID prime256v1 }. The public half may be left out.
_EC_KEY_HEAD = bytes.fromhex("303102010104" + "20")
_EC_KEY_TAIL = bytes.fromhex("a00a06082a8648ce3d030107")

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    part.replace(path)
    return path


def signing_key() -> str:
    """Make a key for the signatures of service-account tokens; a random number is all that a P-256 key is."""
    number = 1 + secrets.randbelow(_P256_ORDER - 1)
    der = _EC_KEY_HEAD + number.to_bytes(32, "big") + _EC_KEY_TAIL
    return f"-----BEGIN EC PRIVATE KEY-----\n{base64.encodebytes(der).decode()}-----END EC PRIVATE KEY-----\n"


def kubeconfig(*, server: str, ca_file: Path, token: str, namespace: str) -> str:
    """Write out a kubeconfig that needs no other file."""
    authority = base64.b64encode(ca_file.read_bytes()).decode()
    return f"""\
apiVersion: v1
kind: Config
current-context: local
contexts:
- name: local
  context: {{cluster: local, user: local, namespace: {json.dumps(namespace)}}}
clusters:
- name: local
  cluster:
    server: {json.dumps(server)}
    certificate-authority-data: {authority}
users:
- name: local
  user:
    token: {json.dumps(token)}
"""


def reserve_port() -> socket.socket:
    """Hold a free loopback port: bound but not listening.

    Nobody else is given the port, and a program that sets SO_REUSEPORT can listen there, also after a restart.
    """
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind(("127.0.0.1", 0))
    return holder
