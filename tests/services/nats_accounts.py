"""An operator's accounts for a NATS server, and a credentials file for a user of one.

This is what `nsc` makes: JSON web tokens that are signed with nkeys.
"""

import base64
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nkeys

UNLIMITED = dict.fromkeys(
    ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "streams", "consumer"), -1
) | {"wildcards": True, "mem_storage": -1, "disk_storage": -1}


class Operator:
    """An operator with an account for the system and one for us."""

    def __init__(self) -> None:
        self._key = _key(nkeys.PREFIX_BYTE_OPERATOR)
        self._system = _key(nkeys.PREFIX_BYTE_ACCOUNT)
        self._account = _key(nkeys.PREFIX_BYTE_ACCOUNT)

    def configuration(self) -> str:
        """Return the lines that make a server believe this operator."""
        operator = _token(self._key, self._key, {"type": "operator"})
        accounts = {_public(one): self._account_token(one) for one in (self._system, self._account)}
        known = "\n".join(f"{public}: {token}" for public, token in accounts.items())
        return (
            f"operator: {operator}\nsystem_account: {_public(self._system)}\n"
            f"resolver: MEMORY\nresolver_preload: {{\n{known}\n}}\n"
        )

    def _account_token(self, account: nkeys.KeyPair) -> str:
        # The system's account must not have JetStream.
        limits = UNLIMITED if account is self._account else {"conn": -1, "subs": -1}
        return _token(self._key, account, {"type": "account", "limits": limits})

    def write_credentials(self, path: Path) -> Path:
        """Write the credentials of a new user of our account, and return where they are."""
        user = _key(nkeys.PREFIX_BYTE_USER)
        claims = {"type": "user", "subs": -1, "data": -1, "payload": -1}
        token, seed = _token(self._account, user, claims), bytes(user.seed).decode()
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
        return path


def _key(kind: int) -> nkeys.KeyPair:
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), kind))


def _public(key: nkeys.KeyPair) -> str:
    return bytes(key.public_key).decode()


def _token(issuer: nkeys.KeyPair, subject: nkeys.KeyPair, nats: Mapping[str, Any]) -> str:
    claims = {
        "jti": os.urandom(16).hex(),
        "iat": int(time.time()),
        "iss": _public(issuer),
        "sub": _public(subject),
        "name": str(nats["type"]),
        "nats": {**nats, "version": 2},
    }
    signed = f"{_part({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_part(claims)}"
    return f"{signed}.{_base64(issuer.sign(signed.encode()))}"


def _part(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
