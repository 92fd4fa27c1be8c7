//! Functions for a host to call: a program that embeds a WebAssembly runtime, a browser, or a
//! container engine.
//!
//! A call can only pass numbers. To pass a text, the host allocates memory of the module with
//! [`allocate`], writes the text there, and passes its address and length.

use std::env;
use std::slice;

/// Returns the words of a text, which white space separates.
fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Counts the words of a text in memory. Invalid UTF-8 belongs to the word around it.
///
/// # Safety
/// `address` and `length` must describe initialized memory, such as that of [`allocate`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn count_words(address: *const u8, length: usize) -> usize {
    // SAFETY: guaranteed by the caller.
    let bytes = unsafe { slice::from_raw_parts(address, length) };
    words(&String::from_utf8_lossy(bytes))
}

/// Allocates zeroed memory, which stays valid until [`release`].
#[unsafe(no_mangle)]
pub extern "C" fn allocate(length: usize) -> *mut u8 {
    Box::into_raw(vec![0; length].into_boxed_slice()).cast()
}

/// Frees memory.
///
/// # Safety
/// `address` must come from [`allocate`] with this `length`, and must not be used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn release(address: *mut u8, length: usize) {
    let bytes = std::ptr::slice_from_raw_parts_mut(address, length);
    // SAFETY: the caller guarantees that these are the bytes of a box.
    drop(unsafe { Box::from_raw(bytes) });
}

/// Counts the words of the arguments. A container of the image calls this function.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    // The first argument is the program's name.
    let count: usize = env::args().skip(1).map(|argument| words(&argument)).sum();
    println!("{count}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted() {
        assert_eq!(words("one two\n\tthree "), 3);
        assert_eq!(words(" \n"), 0);
    }

    #[test]
    fn a_host_passes_text_through_memory() {
        let text = "one two".as_bytes();
        let address = allocate(text.len());
        // SAFETY: the memory was allocated with this length.
        unsafe {
            address.copy_from(text.as_ptr(), text.len());
            assert_eq!(count_words(address, text.len()), 2);
            release(address, text.len());
        }
    }

    #[test]
    fn no_text_needs_no_room() {
        let address = allocate(0);
        // SAFETY: no byte is read.
        unsafe {
            assert_eq!(count_words(address, 0), 0);
            release(address, 0);
        }
    }
}
