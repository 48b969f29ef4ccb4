// SPDX-License-Identifier: Apache-2.0
//! The client.

use crate::{hex, unhex};
use coap::client::ObserveMessage;
use coap::request::RequestBuilder;
use coap::UdpCoAPClient;
use coap_lite::RequestType as Method;
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

type Told = Result<String, String>;

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

async fn ask(client: &UdpCoAPClient, name: &str, path: &str, payload: Vec<u8>) -> Told {
    let builder = RequestBuilder::new(path, method(name).ok_or("no such method")?);
    let request = if payload.is_empty() { builder.build() } else { builder.data(Some(payload)).build() };
    let response = client.send(request).await.map_err(|e| e.to_string())?;
    Ok(format!("\"code\": \"{}\", \"payload\": \"{}\"", response.message.header.get_code(), hex(&response.message.payload)))
}

/// Until so many notifications came, the first answer among them.
async fn observe(client: &UdpCoAPClient, path: &str, wanted: usize) -> Told {
    let (tell, told) = mpsc::channel();
    let handle = client
        .observe(path, move |result| {
            if let Ok(message) = result {
                println!("{{\"event\": \"notified\", \"payload\": \"{}\"}}", hex(&message.payload));
                let _ = tell.send(());
            }
        })
        .await
        .map_err(|e| e.to_string())?;
    for _ in 0..wanted {
        let one = tokio::task::block_in_place(|| told.recv_timeout(Duration::from_secs(15)));
        one.map_err(|_| "no notification".to_string())?;
    }
    handle.send(ObserveMessage::Terminate).map_err(|_| "it has ended".to_string())?;
    Ok("\"code\": \"2.05\"".to_string())
}

async fn line(words: &[&str]) -> Told {
    let [name, server, path, ..] = words else { return Err("METHOD HOST:PORT PATH [HEX]".to_string()) };
    let mut client = UdpCoAPClient::new(*server).await.map_err(|e| e.to_string())?;
    client.set_receive_timeout(Duration::from_secs(15));
    let last = words.get(3).copied().unwrap_or("");
    match *name {
        "OBSERVE" => observe(&client, path, last.parse().map_err(|_| "a number")?).await,
        _ => ask(&client, name, path, unhex(last).ok_or("no hex")?).await,
    }
}

pub async fn run() {
    println!("{{\"event\": \"ready\"}}");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        match line(&text.split_whitespace().collect::<Vec<_>>()).await {
            Ok(told) => println!("{{\"event\": \"response\", {told}, \"protected\": false}}"),
            Err(why) => println!("{{\"event\": \"failed\", \"why\": \"{}\"}}", why.replace('"', "'")),
        }
    }
}
