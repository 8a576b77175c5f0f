//! Chance without chance: numbers that depend on a seed and on what they are
//! asked for, and on nothing else. Not on time, not on the order of calls.

/// A draw in the making; each [`SeededRng::with`] adds a circumstance.
#[derive(Clone, Copy)]
pub(super) struct SeededRng(u64);

impl SeededRng {
    pub(super) const fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    #[must_use]
    pub(super) const fn with(self, circumstance: u64) -> Self {
        Self(mix(self.0.rotate_left(17) ^ mix(circumstance)))
    }

    pub(super) const fn number(self) -> u64 {
        self.0
    }

    /// A number from 0 (included) to 1 (excluded).
    pub(super) fn unit(self) -> f64 {
        // 53 bits are what a double holds exactly.
        #[expect(
            clippy::cast_precision_loss,
            reason = "both numbers are below 2^53 or a power of two"
        )]
        let unit = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        unit
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, 2014).
const fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_and_differ_by_seed() {
        let mean = |seed| {
            let dice = SeededRng::new(seed);
            (0..10_000).map(|n| dice.with(n).unit()).sum::<f64>() / 10_000.0
        };
        assert!((mean(1) - 0.5).abs() < 0.02);
        assert!((mean(2) - 0.5).abs() < 0.02);
        assert_ne!(
            SeededRng::new(1).with(3).number(),
            SeededRng::new(2).with(3).number()
        );
    }
}
