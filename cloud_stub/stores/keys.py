"""The keys of a data folder, in a file of their own: accounts' (for ledger pseudonyms), receipts', records'.

Whoever destroys an account's key makes every pseudonym of that account point to nobody, in every copy at once; whoever
destroys a record's makes its content unreadable, in every copy at once (sealing.py).
"""

import hmac
import secrets
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_stub import durable
from cloud_stub.stores import sqlite
from cloud_stub.stores.record_keys import RecordKeys
from cloud_stub.stores.sealing import Seal

if TYPE_CHECKING:
    from hashlib import _Hash


class Keys:
    """keys.db: account -> 32 random bytes. Also the file that backups never take."""

    def __init__(self, data: Path) -> None:
        """Open, and create, `data`/cloud/keys.db."""
        file = data / "cloud" / "keys.db"
        durable.make_folder(file.parent)
        self._files = sqlite.Files({"keys": file})
        file.chmod(0o600)
        with self._files.writing() as keys:
            keys.execute("CREATE TABLE IF NOT EXISTS account_key (account TEXT PRIMARY KEY, key BLOB NOT NULL)")
            keys.execute("CREATE TABLE IF NOT EXISTS signing_key (only INTEGER PRIMARY KEY, key BLOB NOT NULL)")
        self._cache: dict[str, tuple[_Hash, _Hash]] = {}
        self._seen = 0
        self.seal = Seal(RecordKeys(self._files))

    def pseudonym(self, account: str, name: str) -> str:
        """HMAC-SHA256 of `name` under the account's key, 128 bits in hex; the key is made at first use."""
        self.prepare([account])
        return self._digests([(account, name)])[0]

    def pseudonyms(self, subjects: Iterable[tuple[str, str]]) -> str:
        """The pseudonyms of (account, interaction) pairs, parted by spaces; the keys are prepared."""
        return " ".join(self._digests([pair for pair in subjects if pair[1]]))

    def _digests(self, subjects: Iterable[tuple[str, str]]) -> list[str]:
        digests = []
        for account, name in subjects:
            inner, outer = self._cache[account]
            inner, outer = inner.copy(), outer.copy()
            inner.update(name.encode())
            outer.update(inner.digest())
            digests.append(outer.hexdigest()[:32])
        return digests

    def prepare(self, accounts: Iterable[str]) -> None:
        """Load the keys of many accounts at once, and make those that are missing in one transaction."""
        # Whoever else writes to the file may have destroyed a key that is known here.
        (version,) = self._files.connection.execute("PRAGMA data_version").fetchone()
        if version != self._seen:
            self._cache, self._seen = {}, version
        missing = [account for account in accounts if account not in self._cache]
        if not missing:
            return
        # Another process may make a key at the same moment: whichever row is there in the end is the key.
        with self._files.writing() as keys, keys:
            keys.execute("BEGIN IMMEDIATE")
            made = [(account, secrets.token_bytes(32)) for account in missing]
            keys.executemany("INSERT INTO account_key VALUES (?, ?) ON CONFLICT DO NOTHING", made)
            found = {}
            for account in missing:
                (key,) = keys.execute("SELECT key FROM account_key WHERE account = ?", (account,)).fetchone()
                found[account] = _states(key)
        self._cache |= found

    def signing_key(self) -> bytes:
        """The 32 bytes of the Ed25519 key that signs receipts, made at first use."""
        made = (1, secrets.token_bytes(32))
        with self._files.writing() as keys:
            keys.execute("INSERT INTO signing_key VALUES (?, ?) ON CONFLICT DO NOTHING", made)
            (key,) = keys.execute("SELECT key FROM signing_key").fetchone()
        return bytes(key)

    def identity(self) -> str:
        """Tells this key file from all others, in words that give nothing away."""
        return hmac.digest(self.signing_key(), b"identity", "sha256").hex()[:32]

    def destroy(self, account: str) -> None:
        """Erase the account's key, physically: from now on nobody can tell whom its pseudonyms meant."""
        self._cache.pop(account, None)
        with self._files.writing() as keys:
            keys.execute("DELETE FROM account_key WHERE account = ?", (account,))
        self._files.checkpoint()

    def close(self) -> None:
        """Close the file."""
        self.seal.keys.close()
        self._files.close()


def _states(key: bytes) -> tuple["_Hash", "_Hash"]:
    """HMAC-SHA256 after the key and before the message (RFC 2104): hmac's own objects take twice as long to copy."""
    block = key.ljust(64, b"\0")
    return sha256(bytes(byte ^ 0x36 for byte in block)), sha256(bytes(byte ^ 0x5C for byte in block))
