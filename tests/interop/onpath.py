# SPDX-License-Identifier: Apache-2.0
"""The relay between two programs: what it sends again, and what its capture tells of both."""
from lib import foe, history


def relay(t, port):
    """A relay in front of a server, and the URI that clients use."""
    attacker = foe.Foe(t.bin / "coapsule-foe", [("127.0.0.1:0", ("127.0.0.1", port))], pcap=t.tmp / f"{port}.pcapng")
    t.cleanup(attacker.kill)
    return attacker, f"coap://127.0.0.1:{attacker.listen()[1]}"


def replay_all(attacker):
    """Send every sealed request that passed so far again, from its own port and from another one, each once the answer to
    the one before is there; the answers that came in clear."""
    requests = [r["index"] for r in attacker.records() if r["dir"] == "up" and r.get("oscore") and r["fate"] == "passed"]
    before = attacker.last()
    for index in requests:
        for source in ("same", "other"):
            since = attacker.last()
            attacker.replay(index, source)
            attacker.wait("down", since=since)
    clear = [r for r in attacker.records(before) if r["dir"] == "down" and not r.get("oscore")]
    return clear, requests


def told_by(attacker, *keys):
    """The history of both ends, in which no nonce was used twice and no request was answered twice."""
    attacker.stop()
    told = history.read(attacker.pcap, [key.reader() for key in keys])
    assert not told.unread and not told.reused(), (told.unread, told.reused())
    assert not told.answered_twice(), told.answered_twice()
    return told
