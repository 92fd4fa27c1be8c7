//! What is not about files.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

#[inline(never)]
pub fn outer_function(number: usize) {
    inner_function(black_box(number));
}

#[inline(never)]
fn inner_function(number: usize) {
    if black_box(number) > 0 {
        #[cfg(target_arch = "wasm32")]
        core::arch::wasm32::unreachable();
    }
}

/// Overflows the stack: each call keeps something of its own.
#[inline(never)]
pub fn deep(level: u64) -> u64 {
    let kept = black_box([level; 4]);
    if level == 0 { 0 } else { deep(black_box(level + 1)) + black_box(kept)[1] }
}

pub fn forever() {
    let mut number = 0u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

/// Takes memory and uses it, until it is stopped or is given no more.
pub fn allocate() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1u8; 1 << 20]));
    }
}

/// Without options, there is no variable, no folder and no connection.
pub fn nothing_visible() {
    assert_eq!(std::env::vars().count(), 0);
    for path in ["/", ".", "/etc/passwd", "/tmp", "..", "/proc/self/environ"] {
        assert!(std::fs::metadata(path).is_err(), "{path} is there");
        assert!(std::fs::read_dir(path).is_err(), "{path} can be listed");
    }
    assert!(std::fs::write("/tmp/made-by-a-guest", "").is_err());
    assert!(std::net::TcpStream::connect("127.0.0.1:22").is_err());
    assert!(std::process::Command::new("true").spawn().is_err());
    #[cfg(target_os = "wasi")]
    for fd in 3..100 {
        assert_eq!(crate::wasi::prestat(fd), Err(crate::wasi::BADF), "{fd} is open");
    }
}

pub fn clocks() {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    println!("{}", since.as_secs());
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(30));
    let slept = start.elapsed();
    assert!(slept >= Duration::from_millis(30) && slept < Duration::from_secs(20), "{slept:?}");
    // Random numbers: what HashMap takes its keys from.
    use std::hash::BuildHasher;
    let number = || std::hash::RandomState::new().hash_one(1);
    assert_ne!(number(), number());
    #[cfg(target_os = "wasi")]
    crate::wasi::check_clocks_and_random();
}
