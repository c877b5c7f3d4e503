//! The exports of the WebAssembly module.
//!
//! Input and output are JSON in the module's memory. The host allocates a buffer with `edge_alloc`, writes to it and
//! passes it on; it reads the result and releases it with `edge_free`. The module imports nothing.
#![allow(unsafe_code, reason = "the host hands over addresses, and only this file takes them")]

use crate::call::Edge;

/// Allocates `length` bytes for the host to write to.
#[unsafe(no_mangle)]
extern "C" fn edge_alloc(length: usize) -> *mut u8 {
    Box::into_raw(vec![0_u8; length].into_boxed_slice()).cast()
}

/// Releases a buffer.
///
/// # Safety
/// `pointer` and `length` must come from `edge_alloc` or from a result, and must not have been passed on or released
/// before.
#[unsafe(no_mangle)]
unsafe extern "C" fn edge_free(pointer: *mut u8, length: usize) {
    // SAFETY: the host guarantees the above.
    drop(unsafe { take(pointer, length) });
}

/// Creates a function from its configuration and its keys, and takes ownership of both texts. The result is its
/// address, or, if one of the texts is invalid, the error message in the format of [`edge_call`], with a non-zero
/// length in the upper half.
///
/// # Safety
/// As for [`edge_free`], for both pairs.
#[unsafe(no_mangle)]
unsafe extern "C" fn edge_new(config: *mut u8, config_length: usize, keys: *mut u8, keys_length: usize) -> u64 {
    // SAFETY: the host guarantees the above.
    let config = unsafe { take(config, config_length) };
    // SAFETY: as above.
    let keys = unsafe { take(keys, keys_length) };
    match Edge::new(&String::from_utf8_lossy(&config), &String::from_utf8_lossy(&keys)) {
        Ok(edge) => Box::into_raw(Box::new(edge)) as u64,
        Err(error) => give(error.to_string().into_bytes()),
    }
}

/// Handles a call, and takes ownership of its text: see [`Edge::call`]. The upper half of the result is the length of
/// the response, the lower half its address.
///
/// # Safety
/// `edge` must come from an [`edge_new`] that returned no error message; the text as for [`edge_free`].
#[unsafe(no_mangle)]
unsafe extern "C" fn edge_call(edge: *mut Edge, input: *mut u8, length: usize) -> u64 {
    // SAFETY: the host guarantees the above, and a module has one thread, so there is no second reference.
    let edge = unsafe { &mut *edge };
    // SAFETY: the host guarantees the above.
    let input = unsafe { take(input, length) };
    give(edge.call(&input))
}

/// Addresses and lengths of wasm32 have 32 bits.
fn give(bytes: Vec<u8>) -> u64 {
    let length = bytes.len() as u64;
    (length << 32) | Box::into_raw(bytes.into_boxed_slice()).cast::<u8>() as u64
}

/// # Safety
/// As for [`edge_free`].
unsafe fn take(pointer: *mut u8, length: usize) -> Box<[u8]> {
    // SAFETY: `edge_alloc` and `give` allocate this boxed slice, and it has no other owner.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(pointer, length)) }
}
