//! How many calls a list needs, if all goes well. Pure numbers.

use crate::sweep::policy::Verify;

/// IDs to be revoked, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workload {
    /// How many IDs.
    pub ids: u64,
    /// IDs a batch; at least 1.
    pub batch_size: u64,
    /// IDs a read; at least 1.
    pub read_size: u64,
    /// What is read back.
    pub verify: Verify,
    /// Whether each batch is read before it is sent.
    pub read_first: bool,
}

impl Workload {
    /// The batches that the IDs are cut into: one POST each.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.ids.div_ceil(self.batch_size.max(1))
    }

    /// The reads if all goes well. The first batch is read before it is
    /// sent, where one ID that is known is enough, and by itself after; a
    /// read takes as many whole batches as fit, or a batch takes several.
    /// With `read_first` every batch is read before it is sent, each by itself.
    #[must_use]
    pub fn reads(&self) -> u64 {
        let (batch, read) = (self.batch_size.max(1), self.read_size.max(1));
        if self.verify == Verify::Off || self.ids == 0 {
            return 0;
        }
        let whole = (self.ids / batch) * batch.div_ceil(read) + (self.ids % batch).div_ceil(read);
        let before = if self.read_first { whole } else { 1 };
        let first = batch.min(self.ids);
        let after_first = first.div_ceil(read);
        let others = self.ids - first;
        let after = match self.verify {
            Verify::All if batch <= read => others.div_ceil(batch).div_ceil(read / batch),
            Verify::All => {
                (others / batch) * batch.div_ceil(read) + (others % batch).div_ceil(read)
            }
            Verify::Doubtful | Verify::Off => 0,
        };
        before + after_first + after
    }

    /// All of them.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.batches() + self.reads()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_counted_as_the_sweep_makes_them() {
        let planned = |ids, batch_size, read_size, verify, read_first| {
            let workload = Workload {
                ids,
                batch_size,
                read_size,
                verify,
                read_first,
            };
            workload.reads()
        };
        let reads = |distinct, batch, read, verify| planned(distinct, batch, read, verify, false);
        for (distinct, batch, read, verify, expected) in [
            (4020, 100, 100, Verify::All, 1 + 1 + 40),
            // Two whole batches fit into a read of 250.
            (1000, 100, 250, Verify::All, 1 + 1 + 5),
            // A batch of 100 takes three reads of 40; the last one, of 20, one.
            (220, 100, 40, Verify::All, 1 + 3 + 3 + 1),
            (4020, 100, 100, Verify::Doubtful, 1 + 1),
            (30, 100, 10, Verify::Doubtful, 1 + 3),
            (4020, 100, 100, Verify::Off, 0),
            (0, 100, 100, Verify::All, 0),
        ] {
            assert_eq!(
                reads(distinct, batch, read, verify),
                expected,
                "{distinct} {batch} {read} {verify:?}"
            );
        }
        for (distinct, batch, read, verify, expected) in [
            (4020, 100, 100, Verify::All, 41 + 1 + 40),
            (4020, 100, 100, Verify::Doubtful, 41 + 1),
            (220, 100, 40, Verify::Doubtful, 3 + 3 + 1 + 3),
            (0, 100, 100, Verify::All, 0),
        ] {
            let reads = planned(distinct, batch, read, verify, true);
            assert_eq!(reads, expected, "{distinct} {batch} {read} {verify:?}");
        }
    }
}
