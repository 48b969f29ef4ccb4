# SPDX-License-Identifier: Apache-2.0
"""CoAP server of the tests on aiocoap, plain and OSCORE, over UDP. One JSON line an event on standard output.

    aiocoap_server.py --port P [--context DIR]... [--required]

Events: ready; request (a handler ran); refused (plain where OSCORE is required, or no such path); rejected (OSCORE did
not open it); stopped. SIGTERM saves the replay window before the end; SIGKILL does not.
"""
import argparse
import asyncio
import os

from aiocoap import credentials, oscore

from peer_site import emit, serve


class PeerContext(oscore.FilesystemSecurityContext):
    """A stored context that reports every request that it refuses to unprotect."""

    def unprotect(self, protected_message, request_id=None):
        try:
            return super().unprotect(protected_message, request_id)
        except Exception as e:
            emit("rejected", why=type(e).__name__, text=str(e), option=protected_message.opt.oscore.hex())
            raise


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bind", default="127.0.0.1")
    p.add_argument("--port", type=int, default=5683)
    p.add_argument("--context", action="append", default=[], metavar="DIR")
    p.add_argument("--required", action="store_true", help="answer 4.01 to every request without OSCORE")
    a = p.parse_args()
    creds = credentials.CredentialsMap()
    for folder in a.context:
        creds[":" + folder] = context = PeerContext(folder)
        context.authenticated_claims = [":" + os.path.basename(folder.rstrip("/"))]
    asyncio.run(serve(a.bind, a.port, creds, a.required))


if __name__ == "__main__":
    main()
