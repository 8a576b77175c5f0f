//! The world met through its doors.

mod fates;
mod http;
mod kept;
mod limits;
mod maintenance;
mod misfortune;
mod sessions;
mod strict;

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, Request, Response};
use serde_json::Value;

use super::{InProcess, Reply, Rules, World};
use crate::{
    api::{Answer, Api, Call, FailureKind, revoke_body},
    list::PermissionId,
};

const TIMEOUT: Duration = Duration::from_mins(1);
const REVOKE: &str = "/v1/user/revoketradingpermissions";

fn id(number: i64) -> PermissionId {
    PermissionId::try_from(number).unwrap()
}

fn ids(numbers: impl IntoIterator<Item = i64>) -> Vec<PermissionId> {
    numbers.into_iter().map(id).collect()
}

fn world(rules: Rules) -> World {
    World::open(rules, None).unwrap()
}

fn rules(text: &str) -> Rules {
    toml::from_str(text).unwrap()
}

fn door(world: &World) -> InProcess {
    InProcess::new(world.clone(), TIMEOUT)
}

fn revoke(numbers: impl IntoIterator<Item = i64>) -> Call {
    Call::Revoke(revoke_body(&ids(numbers), None))
}

fn with_ticket(numbers: impl IntoIterator<Item = i64>, ticket: &str) -> Call {
    Call::Revoke(revoke_body(&ids(numbers), Some(ticket)))
}

/// Status and body of an answer; a failure is told by its kind.
#[derive(Clone, PartialEq, Debug)]
enum Got {
    Json(u16, Value),
    Text(u16, String),
    Failed(FailureKind),
}

impl Got {
    fn status(&self) -> u16 {
        match self {
            Self::Json(status, _) | Self::Text(status, _) => *status,
            Self::Failed(kind) => panic!("no answer: {kind:?}"),
        }
    }

    fn json(&self) -> &Value {
        match self {
            Self::Json(_, value) => value,
            other => panic!("no JSON: {other:?}"),
        }
    }

    fn ok(&self) -> bool {
        self.status() == 200 && self.json()["ok"] == true
    }

    /// The IDs and statuses of a read.
    fn shown(&self) -> Vec<(i64, String)> {
        let entities = self.json().as_array().unwrap().iter();
        entities
            .map(|entity| {
                let status = entity["status"].as_str().unwrap().to_owned();
                (entity["id"].as_i64().unwrap(), status)
            })
            .collect()
    }

    fn ticket(&self) -> (String, u64) {
        let body = self.json();
        let ticket = body["p-ticket"].as_str().unwrap().to_owned();
        (ticket, body["p-time"].as_u64().unwrap())
    }
}

fn got(status: u16, body: &[u8]) -> Got {
    match serde_json::from_slice(body) {
        Ok(value) => Got::Json(status, value),
        Err(_) => Got::Text(status, String::from_utf8(body.to_vec()).unwrap()),
    }
}

async fn call(door: &InProcess, call: Call) -> Got {
    match door.call(&call).await {
        Answer::Response(response) => got(response.status, &response.body),
        Answer::NoAnswer(failure) | Answer::NotSent(failure) => Got::Failed(failure.kind),
    }
}

fn request(method: &Method, path: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", "Bearer sandbox");
    let request = match *method {
        Method::POST => request.header("content-type", "application/json"),
        _ => request,
    };
    request.body(body.into()).unwrap()
}

fn get(path: &str) -> Request<Bytes> {
    request(&Method::GET, path, "")
}

fn post(path: &str, body: &str) -> Request<Bytes> {
    request(&Method::POST, path, body.to_owned())
}

async fn send(world: &World, request: Request<Bytes>) -> Got {
    match world.handle(request).await {
        Reply::Response(response) => parts(&response),
        other => panic!("no response: {other:?}"),
    }
}

fn parts(response: &Response<Bytes>) -> Got {
    got(response.status().as_u16(), response.body())
}

async fn advance(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}
