#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Metrics: where they are, what they count, and that the board and the alerts ask for what there is."""
import http.client
import json
import re
import shutil
import socket
import subprocess

from lib import coap, netns
from lib.ask import Asker
from lib.proxied import NO_PROXYING, World
from lib.sealed import door
from lib.tap import case, run

SAMPLE = re.compile(r'^(\w+)(?:\{(\w+)="([^"]*)"\})? ([0-9.e+-]+)$')
METRICS = r"metrics_at at=.*:(\d+)$"


def scrape(port, host="127.0.0.1", path="/metrics", method="GET"):
    """(status, text)"""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def samples(text):
    """{(name, value of its label): number}; each metric has its HELP and TYPE once, before it."""
    found, typed = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in typed, name
            typed.add(name)
        if line.startswith("#"):
            continue
        name, _, label, value = SAMPLE.match(line).groups()
        assert re.sub("_(bucket|sum|count)$", "", name) in typed or name in typed, line
        assert (name, label) not in found, line
        found[name, label] = float(value)
    return found


def server(t):
    _, process, (phone,) = door(t, '  - { path: /n, kind: counter, sealed: true, allow: { phone: [post] } }\n'
                                   '  - { path: /a, kind: value }\nmetrics: 127.0.0.1:0\n')
    port = int(process.expect(METRICS).group(1))
    return process, phone, lambda: samples(scrape(port)[1])


@case("OPS-41", "by default metrics are on 127.0.0.1 and nowhere else; they are elsewhere where that is said, or off")
def where(t):
    subprocess.run(["ip", "addr", "add", "192.0.2.7/32", "dev", "lo"], check=True)
    (t.tmp / "door.yaml").write_text("")
    process = t.start([t.command, "serve", "door.yaml"], ready=METRICS)
    assert scrape(9464)[0] == 200
    for host in ("192.0.2.7", "::1"):
        try:
            scrape(9464, host)
            raise AssertionError(f"answered at {host}")
        except ConnectionRefusedError:
            pass
    assert scrape(9464, path="/")[0] == 404 and scrape(9464, method="POST")[0] == 405
    (t.tmp / "other.yaml").write_text("listen: [coap://127.0.0.1:0]\n")
    other = t.start([t.command, "serve", "other.yaml"], ready="metrics_off at=127.0.0.1:9464")  # taken: no reason to end
    other.stop()
    (t.tmp / "other.yaml").write_text("listen: [coap://127.0.0.1:0]\nmetrics: 127.0.0.1\n")
    done = t.run([t.command, "serve", "other.yaml"])
    assert done.status == 3 and "metrics" in done.err, done.describe()
    assert process.stop() == 0
    (t.tmp / "door.yaml").write_text("metrics: 192.0.2.7:9000\n")
    process = t.start([t.command, "serve", "door.yaml"], ready=METRICS)
    assert scrape(9000, "192.0.2.7")[0] == 200
    process.stop()
    (t.tmp / "door.yaml").write_text("metrics: off\n")
    process = t.start([t.command, "serve", "door.yaml"], ready="ready")
    Asker(("127.0.0.1", 5683)).ask(coap.GET, ".well-known/core")
    try:
        scrape(9464)
        raise AssertionError("answered though it is off")
    except ConnectionRefusedError:
        pass
    assert process.stop() == 0 and "metrics" not in process.log()


@case("", "requests, codes, drops, pools, leases and times are counted")
def counts(t):
    process, phone, read = server(t)
    before = read()
    plain = Asker(("127.0.0.1", process.port))
    t.cleanup(plain.close)
    for _ in range(3):
        assert phone.ask(coap.POST, "n").code == coap.CHANGED
    assert plain.ask(coap.POST, "n").code == coap.UNAUTHORIZED
    plain.socket.send(b"\x49\x01\x00\x01")
    assert plain.ask(coap.GET, "a").code == coap.NOT_FOUND
    after = read()
    grown = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
    assert grown["coapsule_requests_total", "answered"] == 4 and grown["coapsule_requests_total", "refused"] == 1, grown
    assert grown["coapsule_responses_total", "2.04"] == 3 and grown["coapsule_responses_total", "4.01"] == 1, grown
    assert grown["coapsule_drops_total", "malformed"] == 1, grown
    assert grown["coapsule_request_seconds_count", None] == 4 == grown["coapsule_request_seconds_bucket", "+Inf"], grown
    assert grown["coapsule_datagrams_total", "in"] == 6 and grown["coapsule_pool_used", "peers"] >= 1, grown
    assert after["coapsule_pool_used", "contexts"] == 1 and grown["coapsule_remembered_bytes", None] > 0, grown
    assert after["coapsule_build_info", "0.1.0"] == 1 and after["coapsule_leases_total", "refused"] == 0
    buckets = [v for (name, _), v in after.items() if name == "coapsule_request_seconds_bucket"]
    assert buckets == sorted(buckets)
    text = scrape(int(process.expect(METRICS).group(1)))[1]
    assert not re.search(r"phone|127\.0\.0\.1|/n\b", text)  # no name of a peer, key or path
    assert process.stop() == 0


def proxy(t):
    w = World(t, metrics="127.0.0.1:0")
    port = int(w.proxy.expect(METRICS).group(1))
    return w, lambda: samples(scrape(port)[1])


@case("", "a proxy counts what it forwards and why it refuses")
def counts_of_a_proxy(t):
    w, read = proxy(t)
    w.fence()
    w.refused(NO_PROXYING, [(coap.PROXY_URI, b"coap://198.51.100.1/")])
    now = read()
    assert now["coapsule_proxy_requests_total", "forwarded"] == 2, now
    assert now["coapsule_proxy_refusals_total", "target"] == 1 and now["coapsule_proxy_refusals_total", "client"] == 0, now


@case("", "a client that says nothing, or half a request, holds nothing up")
def slow_client(t):
    process, phone, read = server(t)
    port = int(process.expect(METRICS).group(1))
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    for s in idle:
        t.cleanup(s.close)
        s.send(b"GET /metr")
    assert phone.ask(coap.POST, "n").code == coap.CHANGED
    assert read()["coapsule_requests_total", "answered"] == 1
    assert process.stop() == 0


@case("", "the board and the alerts ask for metrics, labels and values that there are")
def board_and_alerts(t):
    _, _, read_server = server(t)
    _, read_proxy = proxy(t)
    there = {**read_server(), **read_proxy()}
    there.update({("coapsule_responses_total", "2.05"): 0})
    names = {name for name, _ in there}
    texts = [target["expr"] for panel in json.loads((t.source / "packaging/grafana/coapsule.json").read_text())["panels"]
             for target in panel["targets"]]
    assert len(texts) >= 12
    rules = t.source / "packaging/prometheus/coapsule.rules.yml"
    texts += re.findall(r"expr: (.*)", rules.read_text())
    for text in texts:
        asked = re.findall(r"(coapsule_\w+)(?:\{([^}]*)\})?", text)
        assert asked, text
        for name, selectors in asked:
            assert name in names, f"{name} in {text}"
            for _, pattern in re.findall(r'(result|cause|class|outcome|reason|pool)=~?"([^"]*)"', selectors):
                for value in pattern.split("|"):
                    assert (name, value) in there, f"{name} has no {value}: {text}"
    unused = names - {name for text in texts for name, _ in re.findall(r"(coapsule_\w+)()", text)}
    assert {name for name in unused if not re.search("_(sum|count)$", name)} <= {
        "coapsule_build_info", "coapsule_log_lost_total"}, unused
    if shutil.which("promtool"):
        assert t.run(["promtool", "check", "rules", rules]).status == 0


if __name__ == "__main__":
    netns.enter()
    run()
