// SPDX-License-Identifier: Apache-2.0
//! The client.

use crate::{hex, unhex};
use coap::client::ObserveMessage;
use coap::request::RequestBuilder;
use coap::UdpCoAPClient;
use coap_lite::{Packet, RequestType as Method};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::oneshot::Sender;

const TIMEOUT: Duration = Duration::from_secs(15);

fn method(name: &str) -> Option<Method> {
    Some(match name {
        "GET" => Method::Get,
        "PUT" => Method::Put,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        "FETCH" => Method::Fetch,
        _ => return None,
    })
}

fn tell(event: &str, message: &Packet) {
    let (code, payload) = (message.header.get_code(), hex(&message.payload));
    println!("{{\"event\": \"{event}\", \"code\": \"{code}\", \"payload\": \"{payload}\", \"protected\": false}}");
}

async fn ask(client: &UdpCoAPClient, name: &str, path: &str, payload: Vec<u8>) -> Result<(), String> {
    let builder = RequestBuilder::new(path, method(name).ok_or("no such method")?);
    let request = if payload.is_empty() { builder.build() } else { builder.data(Some(payload)).build() };
    tell("response", &client.send(request).await.map_err(|e| e.to_string())?.message);
    Ok(())
}

/// The first notification is the response.
async fn observe(client: &UdpCoAPClient, path: &str) -> Result<Sender<ObserveMessage>, String> {
    let mut event = "response";
    let handler = move |result: std::io::Result<Packet>| {
        if let Ok(message) = result {
            tell(event, &message);
            event = "notified";
        }
    };
    client.observe(path, handler).await.map_err(|e| e.to_string())
}

/// What ends an observation, and the client that it belongs to, which has to live on to say so.
type Observation = (Option<Sender<ObserveMessage>>, Option<UdpCoAPClient>);

async fn line(words: &[&str], observation: &mut Observation) -> Result<(), String> {
    if let ["cancel"] = words {
        let end = observation.0.take().ok_or("no observation")?;
        end.send(ObserveMessage::Terminate).map_err(|_| "it has ended")?;
        println!("{{\"event\": \"cancelled\"}}");
        return Ok(());
    }
    let [name, server, path, ..] = words else { return Err("METHOD HOST:PORT PATH [HEX]".to_string()) };
    let mut client = UdpCoAPClient::new(*server).await.map_err(|e| e.to_string())?;
    client.set_receive_timeout(TIMEOUT);
    if *name == "OBSERVE" {
        *observation = (Some(observe(&client, path).await?), Some(client));
        return Ok(());
    }
    ask(&client, name, path, unhex(words.get(3).copied().unwrap_or("")).ok_or("no hex")?).await
}

pub async fn run() {
    println!("{{\"event\": \"ready\"}}");
    let mut observation = (None, None);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        if let Err(why) = line(&text.split_whitespace().collect::<Vec<_>>(), &mut observation).await {
            println!("{{\"event\": \"failed\", \"why\": \"{}\"}}", why.replace('"', "'"));
        }
    }
}
