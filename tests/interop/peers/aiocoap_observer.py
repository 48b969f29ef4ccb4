# SPDX-License-Identifier: Apache-2.0
"""Observes with aiocoap, plain or OSCORE. One JSON line a representation: {"code", "payload" (hex), "observe"}.

    aiocoap_observer.py URI [--context DIR]

The first is the answer to the registration. SIGTERM ends it, after an explicit cancellation where aiocoap makes one.
"""
import argparse
import asyncio
import json
import signal

import aiocoap
from aiocoap import oscore


def tell(response):
    print(json.dumps({"code": response.code.dotted, "payload": response.payload.hex(), "observe": response.opt.observe}),
          flush=True)


async def watch(arguments):
    ctx = await aiocoap.Context.create_client_context(transports=["oscore", "udp6"])
    if arguments.context:
        context = oscore.FilesystemSecurityContext(arguments.context)
        context.authenticated_claims = []
        ctx.client_credentials["coap://*"] = context
    end = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set_result, None)
    request = ctx.request(aiocoap.Message(code=aiocoap.GET, uri=arguments.uri, observe=0))
    tell(await request.response)
    request.observation.register_callback(tell)
    request.observation.register_errback(lambda error: print(json.dumps({"error": repr(error)}), flush=True))
    await end
    request.observation.cancel()
    await ctx.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("uri")
    parser.add_argument("--context", metavar="DIR")
    asyncio.run(watch(parser.parse_args()))
