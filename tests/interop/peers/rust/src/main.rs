// SPDX-License-Identifier: Apache-2.0
//! Plain CoAP peer of the tests on coap-rs. One JSON line an event on standard output.
//!
//!     coap-peer server PORT     /lock GET PUT, /counter POST, /slow GET, /sensor GET PUT (observable after its first PUT), /big
//!                               GET (5,000 bytes) PUT (answers with its length). Events: ready, request.
//!     coap-peer client          asked on standard input, one request a line: METHOD HOST:PORT PATH [HEX]; behind the method
//!                               OBSERVE, an event for each notification, until a line cancel. Events: ready, response,
//!                               notified, cancelled, failed.

mod client;
mod server;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok();
    (text.len() % 2 == 0).then(|| (0..text.len()).step_by(2).map(pair).collect())?
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", port] => server::run(port.parse().expect("a port")).await,
        ["client"] => client::run().await,
        _ => panic!("server PORT or client"),
    }
}
