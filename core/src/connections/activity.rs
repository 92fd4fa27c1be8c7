//! Activity of a connection: the requests in progress, and how long the client has kept us waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::Version;

use super::ConnectionLimits;

/// Bytes written at a time from which on they count as a part of an answer, and not as the protocol's own.
const PART_OF_ANSWER: usize = 1 << 10;

/// Time that a client has left to move bytes. Waiting for it uses the time up, and bytes give some back.
#[derive(Debug)]
struct Meter {
    waiting_since: Option<Instant>,
    left: Duration,
    limit: Duration,
}

impl Meter {
    fn new(limit: Duration) -> Meter {
        Meter { waiting_since: None, left: limit, limit }
    }

    fn wait(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    /// Ends the waiting, because the client moved `bytes`.
    fn moved(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.left = self.left.saturating_sub(now.saturating_duration_since(since));
        }
        let earned = Duration::from_millis(bytes as u64);
        self.left = self.left.saturating_add(earned).min(self.limit);
    }

    fn is_overdue(&self, now: Instant) -> bool {
        self.waiting_since.is_some_and(|since| now.saturating_duration_since(since) >= self.left)
    }
}

#[derive(Debug)]
struct State {
    requests: usize,
    is_http1: bool,
    has_answered: bool,
    /// Start of the connection, or end of the last request.
    idle_since: Instant,
    /// Time of the first byte of a head that is incomplete.
    head_since: Option<Instant>,
    writes: Meter,
    bodies: BTreeMap<u64, Meter>,
    next_body: u64,
}

/// Activity of one connection, which its stream, its bodies and its supervisor share.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    limits: ConnectionLimits,
    state: Arc<Mutex<State>>,
}

impl Activity {
    pub(super) fn new(limits: ConnectionLimits, now: Instant) -> Activity {
        let state = State {
            requests: 0,
            is_http1: false,
            has_answered: false,
            idle_since: now,
            head_since: Some(now),
            writes: Meter::new(limits.stall),
            bodies: BTreeMap::new(),
            next_body: 0,
        };
        Activity { limits, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the reason to close the connection, if there is one.
    pub(super) fn overdue(&self, now: Instant, is_crowded: bool) -> Option<&'static str> {
        let state = self.state();
        let longer = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        if state.writes.is_overdue(now) || state.bodies.values().any(|body| body.is_overdue(now)) {
            return Some("the client stalls");
        }
        if state.requests > 0 || state.writes.waiting_since.is_some() {
            return None;
        }
        if state.head_since.is_some_and(|since| longer(since, self.limits.head)) {
            return Some("the head of a request did not end in time");
        }
        let may_stay = !(is_crowded && state.has_answered && state.head_since.is_none());
        (longer(state.idle_since, self.limits.idle) || !may_stay).then_some("it is idle")
    }

    /// Counts a request until its answer is dropped.
    pub(super) fn begin_request(&self, version: Version) -> Running {
        let mut state = self.state();
        state.requests += 1;
        state.is_http1 = version < Version::HTTP_2;
        state.head_since = None;
        drop(state);
        Running(self.body())
    }

    pub(super) fn read(&self, bytes: usize) {
        let (mut state, now) = (self.state(), Instant::now());
        if bytes == 0 || !state.is_http1 {
            return;
        }
        if state.requests == 0 {
            state.head_since.get_or_insert(now);
        }
        // The program may have given up reading: then it is not the client that we wait for.
        state.bodies.values_mut().for_each(|body| body.moved(0, now));
    }

    /// Notes that the client does not read what we write.
    pub(super) fn wait_to_write(&self) {
        self.state().writes.wait(Instant::now());
    }

    pub(super) fn written(&self, bytes: usize) {
        let (mut state, now) = (self.state(), Instant::now());
        // The last part of an answer may be on its way long after the request.
        if state.writes.waiting_since.is_some() || bytes >= PART_OF_ANSWER {
            state.idle_since = now;
        }
        state.writes.moved(bytes, now);
    }

    /// Begins to measure a body.
    pub(super) fn body(&self) -> BodyMeter {
        let mut state = self.state();
        let id = state.next_body;
        state.next_body += 1;
        state.bodies.insert(id, Meter::new(self.limits.stall));
        BodyMeter { id, activity: self.clone() }
    }
}

/// Measures one body until it is dropped.
#[derive(Debug)]
pub(super) struct BodyMeter {
    id: u64,
    activity: Activity,
}

impl BodyMeter {
    pub(super) fn wait(&self) {
        self.with(|meter| meter.wait(Instant::now()));
    }

    pub(super) fn moved(&self, bytes: usize) {
        self.with(|meter| meter.moved(bytes, Instant::now()));
    }

    fn with(&self, change: impl FnOnce(&mut Meter)) {
        self.activity.state().bodies.get_mut(&self.id).map(change);
    }
}

impl Drop for BodyMeter {
    fn drop(&mut self) {
        self.activity.state().bodies.remove(&self.id);
    }
}

/// A request in progress, with the meter of its answer.
#[derive(Debug)]
pub(super) struct Running(pub(super) BodyMeter);

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.activity.state();
        state.requests -= 1;
        state.has_answered = true;
        state.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        connections: 1,
        head: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        stall: Duration::from_secs(30),
    };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_byte_a_second_does_not_keep_a_connection() {
        let start = Instant::now();
        let mut meter = Meter::new(LIMITS.stall);
        for second in 0..29 {
            meter.wait(after(start, second));
            assert!(!meter.is_overdue(after(start, second + 1)), "{second}");
            meter.moved(1, after(start, second + 1));
        }
        meter.wait(after(start, 29));
        assert!(meter.is_overdue(after(start, 31)));
        // A slow line may take hours, and doesn't collect time for later.
        let mut meter = Meter::new(LIMITS.stall);
        for second in 0..10_000 {
            meter.wait(after(start, second));
            meter.moved(2_000, after(start, second + 1));
        }
        meter.wait(after(start, 10_000));
        assert!(!meter.is_overdue(after(start, 10_029)) && meter.is_overdue(after(start, 10_030)));
    }

    #[test]
    fn a_head_has_less_time_than_an_idle_connection() {
        let start = Instant::now();
        let activity = Activity::new(LIMITS, start);
        assert!(activity.overdue(after(start, 9), true).is_none());
        assert!(activity.overdue(after(start, 11), false).is_some());
        let running = activity.begin_request(Version::HTTP_11);
        assert!(activity.overdue(after(start, 1_000), true).is_none());
        drop(running);
        assert!(activity.overdue(after(start, 50), false).is_none());
        assert!(activity.overdue(after(start, 50), true).is_some(), "others wait for its place");
        assert!(activity.overdue(after(start, 61), false).is_some());
        activity.read(1);
        assert!(activity.overdue(after(start, 9), true).is_none());
        assert!(activity.overdue(after(start, 11), false).is_some());
    }
}
