//! The shapes of the bodies, read strictly where it matters: UTF-8
//! throughout, nothing after the end, no key twice, no array in the place of
//! an object, no wrong types. Keys unknown to us are skipped, whatever they
//! hold: the vendor adds some.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Value, error::Category, value::RawValue};

use crate::api::{Response, Secrets};
use crate::list::PermissionId;

/// How many violations are quoted.
const QUOTED: usize = 3;

/// `SimpleResponse`, the list of violations, or a penalty ticket: the three
/// bodies with status 200 (partner pages: *error handling*, *penalty
/// tickets*).
#[derive(Deserialize)]
pub(super) struct RevokeBodyFields {
    pub(super) ok: Option<bool>,
    #[serde(rename = "errorText")]
    pub(super) error_text: Option<String>,
    violations: Option<Vec<Object<Violation>>>,
    #[serde(rename = "p-ticket")]
    ticket: Option<Value>,
    /// As it stands there: a number may be beyond all numbers and is one still.
    #[serde(rename = "p-time")]
    time: Option<Box<RawValue>>,
    #[serde(rename = "p-captcha")]
    captcha: Option<Value>,
}

#[derive(Deserialize)]
struct Violation {
    constraint: Option<Value>,
    description: Option<Value>,
}

/// What is taken of a `TradingPermission`; it has names and e-mail addresses
/// besides, which are not even kept in memory.
#[derive(Deserialize)]
pub(super) struct ShownEntity {
    pub(super) id: PermissionId,
    pub(super) status: StatusWord,
    // Whose it is helps a person and decides nothing: whatever is no whole
    // number is none.
    #[serde(default, rename = "accountId", deserialize_with = "whole_number")]
    pub(super) account: Option<i64>,
    #[serde(default, rename = "userId", deserialize_with = "whole_number")]
    pub(super) user: Option<i64>,
}

/// The word of a status. The API's own words cost no memory and are the only
/// ones that are borrowed.
#[derive(PartialEq)]
pub(super) struct StatusWord(pub(super) Cow<'static, str>);

/// The words of `TradingPermission.status` (partner pages: OpenAPI text).
const STATUSES: [&str; 5] = ["Revoked", "Accepted", "Approved", "Requested", "Declined"];

/// So many characters of an unknown word are kept.
const LONGEST_STATUS: usize = 32;

impl<'de> Deserialize<'de> for StatusWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyText;

        impl Visitor<'_> for OnlyText {
            type Value = StatusWord;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the word of a status")
            }

            fn visit_str<E>(self, text: &str) -> Result<StatusWord, E> {
                let known = STATUSES.into_iter().find(|word| *word == text);
                Ok(StatusWord(known.map_or_else(
                    || Cow::Owned(text.to_owned()),
                    Cow::Borrowed,
                )))
            }
        }

        deserializer.deserialize_str(OnlyText)
    }
}

impl StatusWord {
    /// The word as it is kept: without what is secret, on one line, and cut to
    /// a length that no word needs.
    pub(super) fn kept(self, secrets: &Secrets) -> Cow<'static, str> {
        match self.0 {
            Cow::Borrowed(known) => Cow::Borrowed(known),
            Cow::Owned(text) => unknown_status(&text, secrets),
        }
    }
}

/// In quotes where it is not quite what was said: it must not look like a word
/// that the API uses.
#[cold]
fn unknown_status(text: &str, secrets: &Secrets) -> Cow<'static, str> {
    let line = secrets.message(text);
    let word: String = line.chars().take(LONGEST_STATUS).collect();
    Cow::Owned(if word == text {
        word
    } else {
        format!("\"{word}\"")
    })
}

fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Value::deserialize(deserializer).map(|value| value.as_i64())
}

impl RevokeBodyFields {
    /// Any sign of a time penalty is one.
    pub(super) fn is_penalty(&self) -> bool {
        self.ticket.is_some() || self.time.is_some() || self.asks_captcha()
    }

    pub(super) fn ticket(&self) -> Option<String> {
        let ticket = self.ticket.as_ref()?.as_str()?;
        (!ticket.is_empty()).then(|| ticket.to_owned())
    }

    /// `p-time`, if it is a number of seconds that is not negative.
    pub(super) fn penalty_seconds(&self) -> Option<f64> {
        let seconds: f64 = self.time.as_ref()?.get().parse().ok()?;
        (seconds >= 0.0).then_some(seconds)
    }

    pub(super) fn asks_captcha(&self) -> bool {
        !matches!(self.captcha, None | Some(Value::Bool(false)))
    }

    /// The violations in words, if there are any.
    pub(super) fn violations_text(&self) -> Option<String> {
        let violations = self.violations.as_deref().unwrap_or_default();
        let mut quoted: Vec<_> = violations
            .iter()
            .take(QUOTED)
            .map(|Object(violation)| violation.text())
            .collect();
        if violations.len() > QUOTED {
            quoted.push(format!("and {} more", violations.len() - QUOTED));
        }
        (!quoted.is_empty()).then(|| quoted.join("; "))
    }

    /// What it says against a request, if anything.
    pub(super) fn complaint(&self) -> Option<String> {
        let text = self.error_text.clone().filter(|text| !text.is_empty());
        text.or_else(|| self.violations_text())
            .or_else(|| (self.ok == Some(false)).then(|| "`ok` is false".to_owned()))
    }
}

impl Violation {
    /// The value is left out: it may be the whole list of IDs.
    fn text(&self) -> String {
        let parts = [&self.constraint, &self.description];
        let words: Vec<_> = parts
            .into_iter()
            .flatten()
            .map(|part| match part {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect();
        if words.is_empty() {
            "a violation without a description".to_owned()
        } else {
            words.join(": ")
        }
    }
}

/// A JSON object read as `T`. Without it serde would take an array of the
/// right values for one.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMaps<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMaps<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(OnlyMaps(PhantomData))
    }
}

/// Reads a body that is one object. The error says what is wrong with it and
/// quotes nothing.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    json::<Object<T>>(body).map(|Object(inner)| inner)
}

/// Reads a body that is an array of objects, likewise.
pub(super) fn objects<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, String> {
    let objects = json::<Vec<Object<T>>>(body)?;
    Ok(objects.into_iter().map(|Object(inner)| inner).collect())
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the answer is not UTF-8.".to_owned())?;
    serde_json::from_str(text).map_err(|error| {
        // The error's own text may quote a value.
        let what = match error.classify() {
            _ if text.trim().is_empty() => "is empty",
            Category::Eof => "breaks off",
            Category::Data => "is not of the expected form",
            Category::Syntax | Category::Io => "is not JSON",
        };
        let (line, column) = (error.line(), error.column());
        format!("the answer {what} (line {line}, column {column}).")
    })
}

/// The words of a body that is no answer to what was asked: an error in JSON,
/// or a line of text. Other JSON is not quoted: it may hold entities, with
/// names and addresses. A page is named and not quoted, either.
pub(super) fn words(response: &Response) -> String {
    #[derive(Deserialize)]
    struct ViolationWords {
        message: Option<String>,
        error: Option<String>,
    }

    let (body, secrets) = (&response.body, &response.secrets);
    if let Ok(outcome) = object::<RevokeBodyFields>(body)
        && let Some(text) = outcome.complaint()
    {
        return secrets.message(&text);
    }
    if let Ok(complaint) = object::<ViolationWords>(body) {
        let text = complaint.message.or(complaint.error);
        return secrets.message(&text.unwrap_or_default());
    }
    let text = String::from_utf8_lossy(body);
    if text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('<')
    {
        return "an HTML page".to_owned();
    }
    // Whatever is in braces or a list may be entities, also behind a byte
    // order mark, in quotes, or in the middle of a sentence.
    let before = text.split(['{', '[', '<']).next().unwrap_or_default();
    if before.contains(char::is_alphanumeric) && !text.contains("ccountHolder") {
        secrets.message(before)
    } else {
        String::new()
    }
}
