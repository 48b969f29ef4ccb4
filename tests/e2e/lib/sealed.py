# SPDX-License-Identifier: Apache-2.0
"""A server with keys, and clients to it that seal by the RFC alone and decide themselves what to repeat.

    home, server, (phone,) = door(t, "  - { path: /lock, kind: lock, sealed: true, allow: { phone: [get] } }\\n")
    phone.ask(coap.GET, "lock").payload
"""
from lib.ask import Asker
from lib.home import Home

READY = r"ready\b.*:(\d+)\b"


class SealedAsker:
    """Sends sealed requests under rising numbers and opens what comes back."""

    def __init__(self, t, port, context, number=0):
        self.asker = Asker(("127.0.0.1", port))
        t.cleanup(self.asker.close)
        self.context, self.number = context, number

    def send(self, code, path, options=(), payload=b""):
        """What was sent, as a server sees it: the sealed message and the request in it."""
        plain = self.asker.message(code, path, options, payload)
        message = self.context.seal_request(plain, self.number)
        self.number += 1
        self.asker.send(message)
        return message, self.context.open_request(message)

    def ask(self, code, path, options=(), payload=b""):
        """The answer; it has to be sealed."""
        message, request = self.send(code, path, options, payload)
        return self.context.open_response(self.asker.await_answer(message), request)


def door(t, resources, names=("phone",), env=None):
    """Its home, a server that has these keys, and a client for each."""
    phone, home = Home(t, "phone"), Home(t, "door")
    contexts = []
    for name in names:
        contexts.append(phone.new(name))
        assert home.run("key", "import", phone.folder / f"{name}-for-door.cred").status == 0
    home.env.update(env or {})
    (home.folder / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\nresources:\n" + resources)
    server = start(t, home)
    return home, server, [SealedAsker(t, server.port, context) for context in contexts]


def start(t, home):
    return t.start([t.command, "serve", "door.yaml"], ready=READY, env=home.env, cwd=home.folder)
