//! Functions for a host to call: a program with a WebAssembly runtime inside, a browser, or a
//! container engine.
//!
//! Only numbers go through a call. A text lies in the module's memory: the host asks for room with
//! [`allocate`], writes the text there, and passes its address and length.

use std::env;
use std::slice;

/// The words of a text: what stands between white space.
fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Counts the words of a text in memory. Bytes that are not UTF-8 belong to the word around them.
///
/// # Safety
/// `address` and `length` are those of memory that was written to, such as that of [`allocate`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn count_words(address: *const u8, length: usize) -> usize {
    // SAFETY: as the caller promises.
    let bytes = unsafe { slice::from_raw_parts(address, length) };
    words(&String::from_utf8_lossy(bytes))
}

/// Makes room for so many bytes, all zero, which stays until [`release`].
#[unsafe(no_mangle)]
pub extern "C" fn allocate(length: usize) -> *mut u8 {
    Box::into_raw(vec![0; length].into_boxed_slice()).cast()
}

/// Gives room back.
///
/// # Safety
/// `address` is what [`allocate`] returned for this `length`, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn release(address: *mut u8, length: usize) {
    let bytes = std::ptr::slice_from_raw_parts_mut(address, length);
    // SAFETY: as the caller promises, these are the bytes of a box.
    drop(unsafe { Box::from_raw(bytes) });
}

/// Counts the words of the arguments. This is what a container of the image calls.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    // The first is the program's name.
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
        // SAFETY: there is room for so many bytes.
        unsafe {
            address.copy_from(text.as_ptr(), text.len());
            assert_eq!(count_words(address, text.len()), 2);
            release(address, text.len());
        }
    }

    #[test]
    fn no_text_needs_no_room() {
        let address = allocate(0);
        // SAFETY: no byte of it is read.
        unsafe {
            assert_eq!(count_words(address, 0), 0);
            release(address, 0);
        }
    }
}
