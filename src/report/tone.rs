//! How urgent what a report says is.

/// How urgent it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    Good,
    Wary,
    Bad,
}

impl Tone {
    /// Its colour on a terminal: green, yellow, red (ECMA-48, SGR).
    pub(super) const fn colour(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Wary => "33",
            Self::Bad => "31",
        }
    }
}
