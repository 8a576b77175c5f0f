//! What a row of the matrix expects of each call.

use super::column::Column;

/// The words of a row's cells, column by column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expect {
    /// Nothing was sent: the next try is as safe as the first.
    Unsent(&'static str),
    /// Sent, and nobody knows what became of it.
    Lost(&'static str),
    /// An answer as good as any.
    Good,
    /// The opposite of [`Expect::Good`], as it was meant.
    Bad,
    /// The same words for each.
    Same(&'static str),
    /// For a revocation and for a read; a readable answer without a token,
    /// which refuses a log-in and says nothing of a renewal.
    NoToken(&'static str, &'static str),
    /// For a revocation; for a read of several or of one; and for a log-in or
    /// a renewal.
    Each(&'static str, &'static str, &'static str),
    /// Likewise, where a read of several and of one differ.
    Apart(&'static str, [&'static str; 2], &'static str),
}

impl Expect {
    pub(super) fn of(self, column: Column) -> String {
        let revokes = column == Column::Revoke;
        let by_kind = |revoke: &'static str, read, auth| match column {
            Column::Revoke => revoke,
            Column::Items | Column::Item => read,
            Column::LogIn | Column::Renew => auth,
        };
        match self {
            Self::Unsent(why) if revokes || column.admits() => format!("not sent: `{why}`"),
            Self::Lost(why) if revokes => format!("in doubt: `{why}`"),
            Self::Unsent(why) | Self::Lost(why) => format!("failed: `{why}`"),
            Self::Good => by_kind("accepted", "shown: revoked", "granted").to_owned(),
            Self::Bad => {
                by_kind("refused: `refused`", "shown: active", "refused: `refused`").to_owned()
            }
            Self::Same(words) => words.to_owned(),
            Self::NoToken(..) if column == Column::LogIn => "refused: `refused`".to_owned(),
            Self::NoToken(revoke, read) => by_kind(revoke, read, "failed: `unreadable`").to_owned(),
            Self::Each(revoke, read, auth) => by_kind(revoke, read, auth).to_owned(),
            Self::Apart(_, [items, _], _) if column == Column::Items => items.to_owned(),
            Self::Apart(revoke, [_, item], auth) => by_kind(revoke, item, auth).to_owned(),
        }
    }
}
