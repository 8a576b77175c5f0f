//! The rows of the matrix, by what goes wrong.

mod again;
pub(super) mod body;
mod connection;
pub(super) mod form;
mod status;

use std::net::SocketAddr;

use super::row::Section;

/// All of them. Redirects point to the host `elsewhere`.
pub(super) fn sections(elsewhere: SocketAddr) -> Vec<Section> {
    vec![
        connection::before_anything(),
        connection::cut_off(),
        connection::silence(),
        form::too_much(),
        form::not_http(),
        form::encodings(),
        body::not_json(),
        body::other_json(),
        body::answers(),
        body::tokens(),
        body::penalties(),
        status::statuses(),
        status::redirects(elsewhere),
        status::waits(),
        again::used_again(),
    ]
}
