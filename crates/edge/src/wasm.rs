//! The exports of the WebAssembly module.
//!
//! JSON goes both ways as bytes in the module's memory. The host asks for room with `edge_alloc`, writes into it, and
//! hands it over; what it gets back it reads and gives back with `edge_free`. The module imports nothing.
#![allow(unsafe_code, reason = "the host hands over addresses, and only this file takes them")]

use crate::call::Edge;

/// Room for `length` bytes, for the host to write into.
#[unsafe(no_mangle)]
extern "C" fn edge_alloc(length: usize) -> *mut u8 {
    Box::into_raw(vec![0_u8; length].into_boxed_slice()).cast()
}

/// Gives room back.
///
/// # Safety
/// `pointer` and `length` are of an `edge_alloc`, or of a result, and have not been handed over or given back before.
#[unsafe(no_mangle)]
unsafe extern "C" fn edge_free(pointer: *mut u8, length: usize) {
    // SAFETY: the host promises the above.
    drop(unsafe { take(pointer, length) });
}

/// Makes a function of its configuration and its keys, and takes both texts over. The result is its address, or, if one
/// of the texts is wrong, the message as [`edge_call`] gives its answers: with a length in the upper half.
///
/// # Safety
/// As for [`edge_free`], for both pairs.
#[unsafe(no_mangle)]
unsafe extern "C" fn edge_new(config: *mut u8, config_length: usize, keys: *mut u8, keys_length: usize) -> u64 {
    // SAFETY: the host promises the above.
    let config = unsafe { take(config, config_length) };
    // SAFETY: as above.
    let keys = unsafe { take(keys, keys_length) };
    match Edge::new(&String::from_utf8_lossy(&config), &String::from_utf8_lossy(&keys)) {
        Ok(edge) => Box::into_raw(Box::new(edge)) as u64,
        Err(error) => give(error.to_string().into_bytes()),
    }
}

/// Answers a call, and takes its text over: see [`Edge::call`]. The answer's length is in the upper half of the result,
/// its address in the lower.
///
/// # Safety
/// `edge` is of an [`edge_new`] that gave no message; the call's text as for [`edge_free`].
#[unsafe(no_mangle)]
unsafe extern "C" fn edge_call(edge: *mut Edge, input: *mut u8, length: usize) -> u64 {
    // SAFETY: the host promises the above, and a module has one thread, so there is no second reference.
    let edge = unsafe { &mut *edge };
    // SAFETY: the host promises the above.
    let input = unsafe { take(input, length) };
    give(edge.call(&input))
}

/// Addresses of wasm32 have 32 bits, and so have lengths.
fn give(bytes: Vec<u8>) -> u64 {
    let length = bytes.len() as u64;
    (length << 32) | Box::into_raw(bytes.into_boxed_slice()).cast::<u8>() as u64
}

/// # Safety
/// As for [`edge_free`].
unsafe fn take(pointer: *mut u8, length: usize) -> Box<[u8]> {
    // SAFETY: `edge_alloc` and `give` make this boxed slice, and nobody else has it.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(pointer, length)) }
}
