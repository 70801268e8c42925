"""The keys of a data folder, in a file of their own: accounts' (for ledger pseudonyms), receipts', records'.

Whoever destroys an account's key makes every pseudonym of that account point to nobody, in every copy at once; whoever
destroys a record's makes its content unreadable, in every copy at once (sealing.py).
"""

import secrets
from collections.abc import Iterable
from hmac import digest as _digest
from pathlib import Path

from cloud_stub.stores import sqlite
from cloud_stub.stores.record_keys import RecordKeys
from cloud_stub.stores.sealing import Seal


class Keys:
    """keys.db: account -> 32 random bytes. Also the file that backups never take."""

    def __init__(self, data: Path) -> None:
        """Open, and create, `data`/cloud/keys.db."""
        file = data / "cloud" / "keys.db"
        file.parent.mkdir(parents=True, exist_ok=True)
        self._files = sqlite.Files({"keys": file})
        file.chmod(0o600)
        with self._files.writing() as keys:
            keys.execute("CREATE TABLE IF NOT EXISTS account_key (account TEXT PRIMARY KEY, key BLOB NOT NULL)")
            keys.execute("CREATE TABLE IF NOT EXISTS signing_key (only INTEGER PRIMARY KEY, key BLOB NOT NULL)")
        self._cache: dict[str, bytes] = {}
        self.seal = Seal(RecordKeys(self._files))

    def pseudonym(self, account: str, name: str) -> str:
        """HMAC-SHA256 of `name` under the account's key, 128 bits in hex; the key is made at first use."""
        key = self._cache.get(account) or self._load(account)
        return _digest(key, name.encode(), "sha256")[:16].hex()

    def pseudonyms(self, subjects: Iterable[tuple[str, str]]) -> str:
        """The pseudonyms of (account, interaction) pairs, parted by spaces; the keys are prepared."""
        cache = self._cache
        return " ".join([_digest(cache[name], said.encode(), "sha256")[:16].hex() for name, said in subjects if said])

    def prepare(self, accounts: Iterable[str]) -> None:
        """Load the keys of many accounts at once, and make those that are missing in one transaction."""
        missing = [account for account in accounts if account not in self._cache]
        if not missing:
            return
        # Another process may make a key at the same moment: whichever row is there in the end is the key.
        with self._files.writing() as keys:
            keys.execute("BEGIN IMMEDIATE")
            made = [(account, secrets.token_bytes(32)) for account in missing]
            keys.executemany("INSERT INTO account_key VALUES (?, ?) ON CONFLICT DO NOTHING", made)
            for account in missing:
                (key,) = keys.execute("SELECT key FROM account_key WHERE account = ?", (account,)).fetchone()
                self._cache[account] = bytes(key)
            keys.execute("COMMIT")

    def _load(self, account: str) -> bytes:
        self.prepare([account])
        return self._cache[account]

    def signing_key(self) -> bytes:
        """The 32 bytes of the Ed25519 key that signs receipts, made at first use."""
        made = (1, secrets.token_bytes(32))
        with self._files.writing() as keys:
            keys.execute("INSERT INTO signing_key VALUES (?, ?) ON CONFLICT DO NOTHING", made)
            (key,) = keys.execute("SELECT key FROM signing_key").fetchone()
        return bytes(key)

    def identity(self) -> str:
        """Tells this key file from all others, in words that give nothing away."""
        return _digest(self.signing_key(), b"identity", "sha256")[:16].hex()

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
