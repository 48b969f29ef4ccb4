// SPDX-License-Identifier: Apache-2.0
//! The server.

use crate::hex;
use coap::Server;
use coap_lite::{CoapRequest, MessageClass, RequestType as Method, ResponseType as Status};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct State {
    lock: Mutex<Vec<u8>>,
    sensor: Mutex<Vec<u8>>,
    count: Mutex<u64>,
}

impl State {
    fn put_lock(&self, wanted: &[u8]) -> (Status, Vec<u8>) {
        if wanted != b"locked" && wanted != b"unlocked" {
            return (Status::BadRequest, b"locked or unlocked".to_vec());
        }
        *self.lock.lock().unwrap() = wanted.to_vec();
        (Status::Changed, Vec::new())
    }

    fn count(&self) -> Vec<u8> {
        let mut count = self.count.lock().unwrap();
        *count += 1;
        count.to_string().into_bytes()
    }

    fn answer(&self, method: Method, path: &str, payload: &[u8]) -> (Status, Vec<u8>) {
        match (method, path) {
            (Method::Get, "lock") => (Status::Content, self.lock.lock().unwrap().clone()),
            (Method::Put, "lock") => self.put_lock(payload),
            (Method::Post, "counter") => (Status::Changed, self.count()),
            (Method::Get, "slow") => (Status::Content, b"done".to_vec()),
            (Method::Get, "sensor") => (Status::Content, self.sensor.lock().unwrap().clone()),
            (Method::Put, "sensor") => {
                *self.sensor.lock().unwrap() = payload.to_vec();
                (Status::Changed, Vec::new())
            }
            (Method::Get, "big") => (Status::Content, b"0123456789abcdef".repeat(313)[..5000].to_vec()),
            (Method::Put, "big") => (Status::Changed, payload.len().to_string().into_bytes()),
            (_, "lock" | "counter" | "slow" | "sensor" | "big") => (Status::MethodNotAllowed, Vec::new()),
            _ => (Status::NotFound, Vec::new()),
        }
    }
}

async fn handle(state: Arc<State>, mut request: Box<CoapRequest<SocketAddr>>) -> Box<CoapRequest<SocketAddr>> {
    let (path, method) = (request.get_path(), *request.get_method());
    if path == "slow" {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let (status, payload) = state.answer(method, &path, &request.message.payload);
    println!(
        "{{\"event\": \"request\", \"code\": \"{}\", \"path\": \"/{path}\", \"payload\": \"{}\", \"response\": \"{}\"}}",
        format!("{method:?}").to_uppercase(),
        hex(&request.message.payload),
        MessageClass::Response(status)
    );
    if let Some(ref mut response) = request.response {
        response.set_status(status);
        response.message.payload = payload;
    }
    request
}

pub async fn run(port: u16) {
    let state = Arc::new(State {
        lock: Mutex::new(b"locked".to_vec()),
        sensor: Mutex::new(b"21.5".to_vec()),
        count: Mutex::new(0),
    });
    let server = Server::new_udp(("127.0.0.1", port)).expect("the port is free");
    println!("{{\"event\": \"ready\", \"port\": {port}}}");
    server.run(move |request| handle(state.clone(), request)).await.expect("a server");
}
