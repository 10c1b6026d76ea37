//! Seeded randomness: a failing test prints its seed, and the same seed does the same again.

/// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// From the environment's `PANDAFLOW_TEST_SEED`, or `default`; printed either way.
    #[must_use]
    pub fn seeded(default: u64) -> Self {
        let seed =
            std::env::var("PANDAFLOW_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(default);
        println!("seed {seed} (set PANDAFLOW_TEST_SEED to run with another)");
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 to `below`, without it.
    pub fn below(&mut self, below: u64) -> u64 {
        self.bits() % below.max(1)
    }
}
