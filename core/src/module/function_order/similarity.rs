//! An order of functions that compresses well: similar functions come close to each other.
//!
//! Deflate finds repetitions only in the last 32 KiB
//! ([RFC 1951, 2](https://www.rfc-editor.org/rfc/rfc1951#section-2)), which is some hundred functions. Instances of a
//! generic function are similar, but compilers put each one near the crate that calls it.

use std::collections::VecDeque;
use std::ops::Range;

// Deflate's window (RFC 1951, 2).
const WINDOW: usize = 32 << 10;
/// Length in bytes of the pieces that are compared.
const PIECE: usize = 8;
// A piece in more functions than this is in nearly every window, so it doesn't help to choose.
const COMMON: usize = 200;
// Added to each size, so that tiny functions don't win because of their size alone.
const OVERHEAD: u64 = 32;
// The time grows with the square of the number of functions.
const MOST: usize = 30_000;

/// Returns an order in which each body follows those that it has most in common with; otherwise it keeps the original
/// order. `None` for too many functions.
pub(in crate::module) fn by_similarity(bodies: &[&[u8]]) -> Option<Vec<usize>> {
    if bodies.len() > MOST {
        return None;
    }
    let pieces = Pieces::of(bodies);
    let mut window = Window::new(bodies, &pieces);
    let mut left: Vec<usize> = (0..bodies.len()).collect();
    let mut order = Vec::with_capacity(bodies.len());
    while !left.is_empty() {
        let function = left.remove(window.closest(&left));
        window.enter(function);
        order.push(function);
    }
    Some(order)
}

/// The pieces that occur in more than one function, by number.
struct Pieces {
    /// The pieces of each function.
    of: Vec<Vec<u32>>,
    /// The range in `holders` of the functions that have a piece.
    places: Vec<Range<usize>>,
    holders: Vec<u32>,
}

impl Pieces {
    fn of(bodies: &[&[u8]]) -> Pieces {
        let mut found: Vec<(u32, u32)> = Vec::new();
        for (function, body) in (0..).zip(bodies) {
            found.extend(body.windows(PIECE).map(|piece| (hash(piece), function)));
        }
        found.sort_unstable();
        found.dedup();
        let mut pieces =
            Pieces { of: vec![Vec::new(); bodies.len()], places: Vec::new(), holders: Vec::new() };
        for held in found.chunk_by(|one, other| one.0 == other.0) {
            // A piece of one function only has no other place to be found in.
            if (2..=COMMON).contains(&held.len()) {
                let (piece, start) = (pieces.places.len() as u32, pieces.holders.len());
                for &(_, function) in held {
                    pieces.of[function as usize].push(piece);
                    pieces.holders.push(function);
                }
                pieces.places.push(start..pieces.holders.len());
            }
        }
        pieces
    }

    fn holders(&self, piece: u32) -> &[u32] {
        &self.holders[self.places[piece as usize].clone()]
    }
}

fn hash(piece: &[u8]) -> u32 {
    // Multiplicative hashing. A few collisions do no harm, because the order is only a heuristic.
    let number = piece.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// The functions that are still in deflate's window.
struct Window<'a> {
    bodies: &'a [&'a [u8]],
    pieces: &'a Pieces,
    functions: VecDeque<usize>,
    /// The size of all of them, in bytes.
    size: usize,
    /// For each piece, the number of functions in the window that have it.
    seen: Vec<u32>,
    /// For each function, the number of its pieces that are in the window.
    common: Vec<u32>,
}

impl<'a> Window<'a> {
    fn new(bodies: &'a [&'a [u8]], pieces: &'a Pieces) -> Window<'a> {
        let (seen, common) = (vec![0; pieces.places.len()], vec![0; bodies.len()]);
        Window { bodies, pieces, functions: VecDeque::new(), size: 0, seen, common }
    }

    fn enter(&mut self, function: usize) {
        for &piece in &self.pieces.of[function] {
            self.seen[piece as usize] += 1;
            if self.seen[piece as usize] == 1 {
                self.pieces
                    .holders(piece)
                    .iter()
                    .for_each(|&holder| self.common[holder as usize] += 1);
            }
        }
        self.functions.push_back(function);
        self.size += self.bodies[function].len();
        while self.size > WINDOW {
            let Some(oldest) = self.functions.pop_front() else { break };
            self.leave(oldest);
        }
    }

    fn leave(&mut self, function: usize) {
        self.size -= self.bodies[function].len();
        for &piece in &self.pieces.of[function] {
            self.seen[piece as usize] -= 1;
            if self.seen[piece as usize] == 0 {
                self.pieces
                    .holders(piece)
                    .iter()
                    .for_each(|&holder| self.common[holder as usize] -= 1);
            }
        }
    }

    /// Returns the position in `left` of the function with the largest share of its pieces in the window; 0 if none has any.
    fn closest(&self, left: &[usize]) -> usize {
        let (mut closest, mut most) = (0, (0, 1));
        for (at, &function) in left.iter().enumerate() {
            let common = u64::from(self.common[function]);
            let size = self.bodies[function].len() as u64 + OVERHEAD;
            // Compares fractions without rounding.
            if common * most.1 > most.0 * size {
                (closest, most) = (at, (common, size));
            }
        }
        closest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_comes_together_and_else_all_stays() {
        let (a, b) = (*b"0123456789abcdefghij", *b"ABCDEFGHIJKLMNOPQRST");
        let (a2, b2) = ([&b"+"[..], &a].concat(), [&b[..], b"-"].concat());
        let bodies: [&[u8]; 6] = [&a, &b, b"other", b"short", &a2, &b2];
        assert_eq!(by_similarity(&bodies).unwrap(), [0, 4, 1, 5, 2, 3]);
        assert_eq!(by_similarity(&[]).unwrap(), [0_usize; 0]);
        assert_eq!(by_similarity(&vec![&b""[..]; MOST + 1]), None);
    }

    #[test]
    fn what_has_left_the_window_is_forgotten() {
        let large = |seed: usize| -> Vec<u8> {
            (0..WINDOW).map(|at| ((at * at * 31 / 7 + at * seed) >> 3) as u8).collect()
        };
        let (one, other) = (large(5), large(77));
        let tail = &one[100..200];
        let bodies: [&[u8]; 3] = [&one, &other, tail];
        let order = by_similarity(&bodies).unwrap();
        assert_eq!(order.len(), 3);
        assert_eq!(order[..2], [0, 2]);
    }
}
