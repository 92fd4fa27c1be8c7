//! Room for requests: a number of places, and a queue that is bounded in length and time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A place for a request until it is dropped.
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
}

/// Places for requests.
#[derive(Debug)]
pub struct Room {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    patience: Duration,
}

impl Room {
    /// Returns a room with a number of places. `queue` is how many requests can wait for one, and `patience` for how long.
    #[must_use]
    pub fn new(places: usize, queue: usize, patience: Duration) -> Room {
        let places = Arc::new(Semaphore::new(places));
        Room { places, waiting: AtomicUsize::new(0), queue, patience }
    }

    /// Takes a place. Returns nothing if the queue is full, or no place was free in time: then the client should try again later.
    pub async fn enter(&self) -> Option<Permit> {
        let places = Arc::clone(&self.places);
        if let Ok(permit) = Arc::clone(&places).try_acquire_owned() {
            return Some(Permit { _permit: permit });
        }
        let _waiting = Waiting::begin(&self.waiting, self.queue)?;
        let permit = tokio::time::timeout(self.patience, places.acquire_owned()).await;
        Some(Permit { _permit: permit.ok()?.ok()? })
    }
}

/// A request in the queue. Its client may disconnect at any moment.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize, queue: usize) -> Option<Waiting<'a>> {
        let one_more = |number| (number < queue).then_some(number + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Waiting(waiting))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queue_has_an_end() {
        let room = Room::new(1, 1, Duration::from_millis(100));
        let first = room.enter().await.unwrap();
        let (second, third) = tokio::join!(room.enter(), room.enter());
        assert!(second.is_none() && third.is_none(), "one waited in vain, one could not wait");
        let leave = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(first);
        };
        let (next, ()) = tokio::join!(room.enter(), leave);
        assert!(next.is_some());
        // A client that gives up leaves the queue.
        let gave_up = tokio::time::timeout(Duration::from_millis(10), room.enter()).await;
        assert!(gave_up.is_err());
        assert_eq!(room.waiting.load(Ordering::Relaxed), 0);
    }
}
