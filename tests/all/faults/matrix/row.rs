//! A row of the matrix: a misbehaviour, how it is brought about, and what is
//! expected of each call.

use std::sync::Arc;

use super::{
    authority::{Authority, Flaw},
    column::Column,
    expect::Expect,
    wire::{Greeting, Heard, Step},
};

/// What a server does with a request of a column.
type Script = Arc<dyn Fn(Column, &Heard) -> Vec<Step> + Send + Sync>;

/// Who is at the address that is called.
#[derive(Clone)]
pub(super) enum Host {
    /// Nobody listens.
    Nobody,
    /// The name of the host cannot be found.
    Nameless,
    /// Somebody listens, and takes no connection.
    Busy,
    /// A server.
    Server(Greeting),
    /// A server, called by https whatever it speaks.
    Secure(Greeting),
}

/// Whether the call in question is the second one of its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Again {
    /// It is the only one.
    No,
    /// It follows the first at once.
    AtOnce,
    /// It comes when the first one's connection is over.
    WhenOver,
}

/// A row.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) expect: Expect,
    /// The ways in which it is brought about: each has to end as expected.
    pub(super) ways: Vec<(Host, Script)>,
    /// The time-out is short: what is expected waits for it.
    pub(super) hurried: bool,
    pub(super) again: Again,
}

/// Some rows under a heading.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) rows: Vec<Row>,
}

impl Row {
    fn new(name: impl Into<String>, expect: Expect, host: Host, script: Script) -> Self {
        Self {
            name: name.into(),
            expect,
            ways: vec![(host, script)],
            hurried: false,
            again: Again::No,
        }
    }

    /// The same, brought about in another way.
    pub(super) fn or(
        mut self,
        answer: impl Fn(Column) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let host = self.ways[0].0.clone();
        self.ways
            .push((host, Arc::new(move |column, _| answer(column))));
        self
    }

    pub(super) fn hurried(mut self) -> Self {
        self.hurried = true;
        self
    }
}

/// A server that answers so.
pub(super) fn row(
    name: impl Into<String>,
    expect: Expect,
    answer: impl Fn(Column) -> Vec<Step> + Send + Sync + 'static,
) -> Row {
    let script: Script = Arc::new(move |column, _| answer(column));
    Row::new(name, expect, Host::Server(Greeting::Plain), script)
}

/// Nobody there who could answer.
pub(super) fn absent(name: &str, expect: Expect, host: Host) -> Row {
    Row::new(name, expect, host, Arc::new(|_, _| Vec::new()))
}

/// A server that does not come as far as a request.
pub(super) fn rude(name: &str, expect: Expect, greeting: Greeting) -> Row {
    absent(name, expect, Host::Server(greeting))
}

/// A server behind TLS, with such a certificate.
pub(super) fn secure(
    name: &str,
    expect: Expect,
    flaw: Flaw,
    answer: impl Fn(Column) -> Vec<Step> + Send + Sync + 'static,
) -> Row {
    let greeting = Greeting::Tls(Authority::trusted().acceptor(flaw));
    let script: Script = Arc::new(move |column, _| answer(column));
    Row::new(name, expect, Host::Server(greeting), script)
}

/// A server that answers a first call so, and a second one so.
pub(super) fn twice(
    name: &str,
    expect: Expect,
    again: Again,
    first: impl Fn(Column) -> Vec<Step> + Send + Sync + 'static,
    second: impl Fn(Column) -> Vec<Step> + Send + Sync + 'static,
) -> Row {
    let script: Script = Arc::new(move |column, heard| match heard.number {
        0 => first(column),
        _ => second(column),
    });
    let row = Row::new(name, expect, Host::Server(Greeting::Plain), script);
    Row { again, ..row }
}
