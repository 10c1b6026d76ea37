//! Seeds in their thousands.

use crate::shop::shop;

/// How many seeds are run where nobody says otherwise.
const SEEDS: u64 = 2_000;

#[test]
fn every_guarantee_holds_whatever_a_seed_makes_go_wrong() {
    let seeds = std::env::var("PANDAFLOW_SIMULATION_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let began = std::time::Instant::now();
    let report = shop().seeds(0..seeds.unwrap_or(SEEDS)).check();
    let rate = report.seeds as f64 / began.elapsed().as_secs_f64();
    println!("{} seeds, {} steps, {rate:.0} seeds/s", report.seeds, report.steps);
}

#[test]
fn the_same_seeds_run_the_same() {
    let first = shop().seeds(0..40).check();
    assert_eq!(first, shop().seeds(0..40).check());
    assert_ne!(first.trace, shop().seeds(40..80).check().trace);
}
