# SPDX-License-Identifier: Apache-2.0
"""CoAP client of the tests on aiocoap, plain and OSCORE, over UDP. It reads requests from standard input and answers each
with one JSON line.

    {"uri": "coap://127.0.0.1:5683/lock", "method": "PUT", "payload": "unlocked", "context": DIR, "proxy": URI, "non": false}

All but `uri` may be absent. An answer has `code`, `payload` (hex), `protected` and `options`; or `error`, where no valid
response came. A context is loaded once and keeps its state as long as the program runs.
"""
import asyncio
import json
import sys

import aiocoap
from aiocoap import error, oscore
from aiocoap.message import UndecidedRemote
from aiocoap.transports.oscore import OSCOREAddress, TransportOSCORE
from aiocoap.util import hostportsplit

TRANSPORTS = ["oscore", "udp6"]


def emit(**fields):
    print(json.dumps(fields), flush=True)


class ThroughProxy:
    """Sends to a forward proxy: Proxy-Scheme, Uri-Host and Uri-Port name the target, outside OSCORE.

    aiocoap's own ProxyForwarder works above OSCORE, which then drops Proxy-Scheme and Uri-Port.
    """

    def __init__(self, ctx, proxy, target):
        self.ctx, self.loop = ctx, ctx.loop
        self.scheme, rest = target.split("://")
        self.host, self.port = hostportsplit(rest.split("/")[0])
        self.proxy = UndecidedRemote.from_pathless_uri(proxy)

    def request(self, message, **kwargs):
        message.opt.proxy_scheme, message.opt.uri_host, message.opt.uri_port = self.scheme, self.host, self.port
        message.remote = self.proxy
        return self.ctx.request(message, **kwargs)


class Client:
    """An aiocoap context for each pair of credential and proxy, made when it is first asked for."""

    def __init__(self):
        self.credentials = {}
        self.routes = {}

    def credential(self, folder):
        if folder not in self.credentials:
            context = oscore.FilesystemSecurityContext(folder)
            context.authenticated_claims = []
            self.credentials[folder] = context
        return self.credentials[folder]

    async def route(self, folder, proxy, uri):
        """What sends the request."""
        key = folder, proxy, "/".join(uri.split("/")[:3])
        if key not in self.routes:
            ctx = await aiocoap.Context.create_client_context(transports=TRANSPORTS)
            wire = ThroughProxy(ctx, proxy, uri) if proxy else ctx
            if folder:
                ctx.client_credentials["coap://*"] = self.credential(folder)
            if folder and proxy:
                ctx.request_interfaces = [TransportOSCORE(ctx, wire) if isinstance(i, TransportOSCORE) else i
                                          for i in ctx.request_interfaces]
                wire = ctx
            self.routes[key] = ctx, wire
        return self.routes[key][1]

    async def close(self):
        for ctx, _ in self.routes.values():
            await ctx.shutdown()
        for context in self.credentials.values():
            context._destroy()  # saves the sender sequence number

    async def exchange(self, wanted):
        message = aiocoap.Message(code=getattr(aiocoap.Code, wanted.get("method", "GET")),
                                  payload=wanted.get("payload", "").encode(),
                                  _mtype=aiocoap.NON if wanted.get("non") else None)
        message.set_request_uri(wanted["uri"])
        wire = await self.route(wanted.get("context"), wanted.get("proxy"), wanted["uri"])
        try:
            response = await asyncio.wait_for(wire.request(message).response, wanted.get("timeout", 20))
        except oscore.NotAProtectedMessage as e:
            return {"error": "NotAProtectedMessage", "code": e.plain_message.code.dotted,
                    "payload": e.plain_message.payload.hex(), "protected": False}
        except (error.Error, oscore.ProtectionInvalid, OSError, ValueError, asyncio.TimeoutError) as e:
            return {"error": type(e).__name__, "text": str(e)}
        return {"code": response.code.dotted, "payload": response.payload.hex(),
                "protected": isinstance(response.remote, OSCOREAddress),
                "options": {int(o.number): o.encode().hex() for o in response.opt.option_list()}}


async def main():
    client = Client()
    emit(ready=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        emit(**await client.exchange(json.loads(line)))
    await client.close()


if __name__ == "__main__":
    asyncio.run(main())
