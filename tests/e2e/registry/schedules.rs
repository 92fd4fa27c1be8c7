//! Schedules of faults by chance, between us and Debian's registry: nothing is torn, whatever happens.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use wasm_oci_core::store::{Layout, Name, Silent, Source, copy, load, save};

use super::faults::quick;
use super::{images, repository, repository_with, tag, wait};
use crate::harness;
use crate::harness::proxy::{Fault, Proxy, Request};

/// Faults by chance, many of them: `WASM_OCI_TEST_SEED` repeats a run, `WASM_OCI_TEST_SCHEDULES` says how many.
#[test]
fn a_thousand_schedules_of_faults_tear_nothing() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("WASM_OCI_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
    let schedules = number("WASM_OCI_TEST_SCHEDULES").unwrap_or(1_000);
    // Shown when the test fails.
    #[expect(clippy::print_stdout, reason = "a run is repeated by it")]
    {
        println!("seed {seed}");
    }
    let server = harness::Registry::start();
    let proxy = Proxy::before(server.host());
    let images = images();
    let direct = repository(server.host(), "app");
    wait(save(&images[2], &direct, &[tag("now")], &Silent)).unwrap();
    let mut before = images[2].digest();
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    let (mut arrived, mut refused) = (0, 0);
    for n in 0..schedules {
        let dice =
            Mutex::new(fastrand::Rng::with_seed(seed ^ n.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        let (image, likely, pull) = {
            let mut dice = dice.lock().unwrap();
            (&images[dice.usize(..images.len())], dice.f64() * 0.4, dice.u8(..4) == 0)
        };
        proxy.set(move |request| by_chance(&mut dice.lock().unwrap(), likely, request));
        let context = format!("schedule {n} of the seed {seed}");
        let mut options = quick();
        options.read_timeout = Duration::from_millis(100);
        options.stall_timeout = Duration::from_millis(100);
        let begin = Instant::now();
        let registry = repository_with(proxy.host(), "app", options);
        if pull {
            let name = Name::Tag(tag("now"));
            let pulled = wait(async {
                let root = registry.resolve(&name).await?;
                copy(&registry, &root, &layout, &[tag("now")], &Silent).await.map(|()| root)
            });
            if let Ok(root) = pulled {
                assert_eq!(root.digest, before, "{context}");
            }
            if let Ok(name) = layout.default_name() {
                wait(load(&layout, &name)).unwrap_or_else(|error| panic!("{context}: {error}"));
            }
        } else {
            let pushed = wait(save(image, &registry, &[tag("now")], &Silent));
            // A request that we gave up may still be in progress.
            proxy.settle();
            let now = wait(load(&direct, &Name::Tag(tag("now"))))
                .unwrap_or_else(|error| panic!("{context}: {error}"))
                .digest();
            match pushed {
                Ok(()) => {
                    assert_eq!(now, image.digest(), "{context}: it says that it is there");
                    arrived += 1;
                }
                // The tag may have moved or not; it must never point to anything else.
                Err(error) => {
                    assert!(now == before || now == image.digest(), "{context}: {error}");
                    refused += 1;
                }
            }
            before = now;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{context}: {:?}", begin.elapsed());
    }
    assert!(
        schedules < 100 || (arrived > 0 && refused > 0),
        "{arrived} arrived, {refused} did not"
    );
}

fn by_chance(dice: &mut fastrand::Rng, likely: f64, request: &Request) -> Fault {
    if dice.f64() >= likely {
        return Fault::None;
    }
    let status = [400, 404, 408, 416, 429, 500, 502, 503, 504][dice.usize(..9)];
    match dice.u8(..10) {
        0..=3 => Fault::Answer(status, Vec::new()),
        4 => Fault::Break(dice.usize(..500)),
        5 => Fault::LoseAnswer,
        6 => Fault::Deny(status),
        7 if request.method == "GET" => Fault::Truncate(dice.usize(..500)),
        8 if request.method == "POST" => Fault::Header("Location", None),
        9 if dice.u8(..5) == 0 => Fault::Stall,
        _ => Fault::Answer(503, vec![("Retry-After", "0".to_owned())]),
    }
}
