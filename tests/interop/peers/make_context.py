# SPDX-License-Identifier: Apache-2.0
"""Writes pairs of aiocoap OSCORE context folders, client and server side, from one secret.

Each folder gets settings.json and secret.json; aiocoap adds sequence.json and lock. A folder without sequence.json is a
fresh context: sender sequence 0, empty replay window.
"""
import json
import pathlib

ALGORITHMS = {  # COSE number -> aiocoap's name
    1: "A128GCM", 2: "A192GCM", 3: "A256GCM",
    10: "AES-CCM-16-64-128", 11: "AES-CCM-16-64-256", 12: "AES-CCM-64-64-128", 13: "AES-CCM-64-64-256",
    24: "ChaCha20/Poly1305",
    30: "AES-CCM-16-128-128", 31: "AES-CCM-16-128-256", 32: "AES-CCM-64-128-128", 33: "AES-CCM-64-128-256",
}


# size: a parameter for each member of a context
def write(folder, secret, salt, sender, recipient, id_context=None, alg=10, hash="sha256", window=32):
    """Write one side's folder from hex values, dropping any state that an earlier run left there."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for stale in ("sequence.json", "lock"):
        (folder / stale).unlink(missing_ok=True)
    settings = {
        "algorithm": ALGORITHMS[alg], "kdf-hashfun": hash, "window": window,
        "sender-id_hex": sender, "recipient-id_hex": recipient,
    }
    if id_context is not None:
        settings["id-context_hex"] = id_context
    (folder / "settings.json").write_text(json.dumps(settings, indent=1) + "\n")
    (folder / "secret.json").write_text(json.dumps({"secret_hex": secret, "salt_hex": salt}) + "\n")
    (folder / "secret.json").chmod(0o600)
