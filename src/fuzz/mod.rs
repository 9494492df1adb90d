//! Every parser of what others wrote, with unusual inputs. `make test` replays the corpora in `fuzz/corpus`, each entry as it is
//! and changed in some ways; `make fuzz` changes the entries of each target for a minute. A failure prints the target, the seed and the
//! input, which becomes a unit test.

mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::Duration;

use mutate::Mutator;
use targets::{TARGETS, Target};

/// Changed inputs for each entry of a corpus in `make test`.
const REPLAYED: u64 = 40;
/// What one input may cost in `make fuzz`, in a debug build beside other processes.
const SLOW: Duration = Duration::from_secs(10);

#[test]
fn the_corpora_are_read_without_a_panic() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(corpus.len() >= 3, "fuzz/corpus/{name} is nearly empty");
        for input in &corpus {
            run(name, target, input, "as it is");
        }
        let per_target = REPLAYED * u64::try_from(corpus.len()).unwrap();
        for seed in 0..per_target {
            run(
                name,
                target,
                &Mutator::new(seed).mutated(&corpus),
                &format!("seed {seed}"),
            );
        }
    }
}

#[test]
#[ignore = "takes a minute for each target: make fuzz"]
#[expect(clippy::disallowed_methods, reason = "it runs for a while")]
fn mutants_are_read_without_a_panic() {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let seconds = variable("FUZZ_SECONDS").map_or(60, |text| text.parse().expect("FUZZ_SECONDS is a number"));
    let only = variable("FUZZ_TARGET");
    let first = variable("FUZZ_SEED").map(|text| text.parse::<u64>().expect("FUZZ_SEED is a number"));
    let chosen: Vec<_> = TARGETS
        .into_iter()
        .filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
        .collect();
    assert!(!chosen.is_empty(), "there is no target {only:?}");
    for (name, target) in chosen {
        let corpus = corpus(name);
        let start = std::time::Instant::now();
        let mut seed = first.unwrap_or_else(|| fastrand::u64(..) >> 16);
        let mut inputs = 0_u64;
        let mut slowest = Duration::ZERO;
        while start.elapsed() < Duration::from_secs(seconds) {
            let input = Mutator::new(seed).mutated(&corpus);
            let begun = std::time::Instant::now();
            run(name, target, &input, &format!("seed {seed}"));
            slowest = slowest.max(begun.elapsed());
            assert!(begun.elapsed() < SLOW, "{name}: seed {seed} took {:?}", begun.elapsed());
            (seed, inputs) = (seed + 1, inputs + 1);
        }
        println!("{name}: {inputs} inputs, the slowest {slowest:?}");
    }
}

/// The entries of a target's corpus, in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn run(name: &str, target: Target, input: &[u8], which: &str) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    if let Err(panic) = outcome {
        println!(
            "fuzz target {name}, {which}, input {:?}",
            input.escape_ascii().to_string()
        );
        resume_unwind(panic);
    }
}
