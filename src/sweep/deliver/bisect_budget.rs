//! Finding the IDs for which the API refuses a batch, within bounds.

use std::sync::atomic::{AtomicI64, Ordering};

/// The extra requests that isolation in one batch may still make.
///
/// A single bad ID among n costs about 2·log₂ n requests; the bound leaves
/// room for two of them and for the reads around it.
#[derive(Debug)]
pub(in crate::sweep) struct BisectBudget {
    left: u32,
    /// Whether the last read after a refusal showed some IDs as revoked. Then
    /// the next refusal is read back too; otherwise the API has shown itself
    /// to do all or nothing, and the reads are saved.
    pub(in crate::sweep) partial: bool,
}

impl BisectBudget {
    /// The bound for a batch of `ids`: 4·⌈log₂ n⌉ + 8.
    pub(in crate::sweep) fn of(ids: u64) -> Self {
        let halvings = ids.next_power_of_two().trailing_zeros();
        Self {
            left: 4 * halvings + 8,
            partial: false,
        }
    }

    /// The bound for a run, anew in each process that carries it on: the
    /// larger of 100 and a tenth of its batches.
    pub(in crate::sweep) fn of_run(batches: u64) -> AtomicI64 {
        AtomicI64::new(i64::try_from((batches / 10).max(100)).unwrap_or(i64::MAX))
    }

    /// Takes one request out of both budgets; false if either is used up.
    pub(in crate::sweep) fn spend(&mut self, run: &AtomicI64) -> bool {
        if self.left == 0 || run.load(Ordering::Relaxed) <= 0 {
            return false;
        }
        self.left -= 1;
        run.fetch_sub(1, Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_requests_are_bounded_a_batch_and_a_run() {
        for (ids, bound) in [(1, 8), (2, 12), (100, 36), (128, 36), (129, 40)] {
            let run = BisectBudget::of_run(0);
            let mut isolation = BisectBudget::of(ids);
            let spent = (0..1000).filter(|_| isolation.spend(&run)).count();
            assert_eq!(spent, bound, "{ids} IDs");
        }
        let run = BisectBudget::of_run(5_000);
        let spent: usize = (0..100)
            .map(|_| {
                let mut isolation = BisectBudget::of(100);
                (0..100).filter(|_| isolation.spend(&run)).count()
            })
            .sum();
        assert_eq!(spent, 500);
    }
}
