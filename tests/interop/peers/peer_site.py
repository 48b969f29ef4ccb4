# SPDX-License-Identifier: Apache-2.0
"""The resources of the aiocoap server of the tests and the JSON events that it prints.

/lock GET PUT (may be observed), /sensor GET, /slow GET (a separate response), /counter POST (adds one), /echo-fresh GET PUT (wants an Echo
value of its own, RFC 9175), /big GET PUT POST (bodies of any length; POST gives back what it got), /.well-known/core.
"""
import asyncio
import json
import os
import signal
import time

import aiocoap
from aiocoap import error, oscore, resource
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper
from aiocoap.transports.oscore import OSCOREAddress

FRESH_SECONDS = 10
SLOW_SECONDS = 0.3  # above the 0.1 after which aiocoap acknowledges
TRANSPORTS = ["oscore", "udp6"]


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def describe(request, response):
    """The facts of a request that a test may want to assert."""
    facts = {
        "code": request.code.name, "response": response.dotted,
        "uri": getattr(request, "_original_request_uri", None) or request.get_request_uri(),
        "payload": request.payload[:64].hex(),
        "options": {int(o.number): o.encode().hex() for o in request.opt.option_list()},
        "protected": isinstance(request.remote, OSCOREAddress),
    }
    if facts["protected"]:
        context = request.remote.security_context
        facts["kid"] = context.recipient_id.hex()
        facts["id_context"] = None if context.id_context is None else context.id_context.hex()
    return facts


class Peer(resource.Resource):
    async def render(self, request):
        try:
            response = await super().render(request)
        except error.RenderableError as e:
            emit("request", **describe(request, e.to_message().code))
            raise
        emit("request", **describe(request, response.code))
        return response


class WellKnown(Peer, resource.WKCResource):
    pass


class Lock(Peer, resource.ObservableResource):
    rt = "lock"
    state = b"locked"

    async def render_get(self, request):
        return aiocoap.Message(payload=self.state, content_format=0)

    async def render_put(self, request):
        if request.payload not in (b"locked", b"unlocked"):
            raise error.BadRequest("locked or unlocked")
        self.state = request.payload
        self.updated_state()
        return aiocoap.Message(code=aiocoap.CHANGED)


class Sensor(Peer):
    rt = "sensor"

    async def render_get(self, request):
        return aiocoap.Message(payload=b"21.5", content_format=0, max_age=1)


class Slow(Peer):
    async def render_get(self, request):
        await asyncio.sleep(SLOW_SECONDS)
        return aiocoap.Message(payload=b"done")


class Counter(Peer):
    number = 0

    async def render_post(self, request):
        self.number += 1
        return aiocoap.Message(code=aiocoap.CHANGED, payload=b"%d" % self.number)


class Big(Peer):
    state = b""

    async def render_get(self, request):
        return aiocoap.Message(payload=self.state, content_format=42)

    async def render_put(self, request):
        self.state = request.payload
        return aiocoap.Message(code=aiocoap.CHANGED)

    async def render_post(self, request):
        return aiocoap.Message(code=aiocoap.CHANGED, payload=request.payload)


class EchoFresh(Peer):
    """Answers only a request that carries an Echo value given out in the last seconds, once each."""

    def __init__(self):
        super().__init__()
        self.given = {}

    async def render_get(self, request):
        now = time.monotonic()
        self.given = {k: t for k, t in self.given.items() if now - t < FRESH_SECONDS}
        if self.given.pop(request.opt.echo, None) is None:
            value = os.urandom(8)
            self.given[value] = now
            return aiocoap.Message(code=aiocoap.UNAUTHORIZED, echo=value)
        return aiocoap.Message(payload=b"fresh")

    render_put = render_get


class PeerSite(resource.Site):
    def __init__(self, required):
        super().__init__()
        self.required = required
        for path, kind in (("lock", Lock), ("sensor", Sensor), ("slow", Slow), ("counter", Counter),
                           ("echo-fresh", EchoFresh), ("big", Big)):
            self.add_resource([path], kind())
        self.add_resource([".well-known", "core"], WellKnown(self.get_resources_as_linkheader))

    async def render_to_pipe(self, pipe):
        if self.required and not isinstance(pipe.request.remote, OSCOREAddress):
            emit("refused", **describe(pipe.request, aiocoap.UNAUTHORIZED))
            raise error.Unauthorized("OSCORE is required here")
        try:
            await super().render_to_pipe(pipe)
        except error.NotFound:
            emit("refused", **describe(pipe.request, aiocoap.NOT_FOUND))
            raise


async def serve(bind, port, creds, required):
    """Run until SIGTERM or SIGINT, then leave the stored OSCORE contexts saved."""
    site = PeerSite(required)
    ctx = await aiocoap.Context.create_server_context(
        OscoreSiteWrapper(site, creds), bind=(bind, port), server_credentials=creds, transports=TRANSPORTS)
    stop = asyncio.Event()
    for s in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(s, stop.set)
    emit("ready", port=port)
    await stop.wait()
    await ctx.shutdown()
    for c in creds.values():
        if isinstance(c, oscore.FilesystemSecurityContext):
            c._destroy()  # writes sequence.json with the replay window, drops the lock
    emit("stopped")
