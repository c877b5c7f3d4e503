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

/// Makes a function of its configuration and its keys, and takes both texts over. A null pointer means that one of them
/// is wrong: the packaging checks them, so that does not happen.
///
/// # Safety
/// As for [`edge_free`], for both pairs.
#[unsafe(no_mangle)]
unsafe extern "C" fn edge_new(config: *mut u8, config_length: usize, keys: *mut u8, keys_length: usize) -> *mut Edge {
    // SAFETY: the host promises the above.
    let (config, keys) = unsafe { (take(config, config_length), take(keys, keys_length)) };
    let texts = std::str::from_utf8(&config).ok().zip(std::str::from_utf8(&keys).ok());
    let edge = texts.and_then(|(config, keys)| Edge::new(config, keys).ok());
    edge.map_or(std::ptr::null_mut(), |edge| Box::into_raw(Box::new(edge)))
}

/// Answers a call, and takes its text over: see [`Edge::call`]. The answer's length is in the upper half of the result,
/// its address in the lower.
///
/// # Safety
/// `edge` is of [`edge_new`] and not null; the call's text as for [`edge_free`].
#[unsafe(no_mangle)]
unsafe extern "C" fn edge_call(edge: *mut Edge, input: *mut u8, length: usize) -> u64 {
    // SAFETY: the host promises the above, and a module has one thread, so there is no second reference.
    let (edge, input) = unsafe { (&mut *edge, take(input, length)) };
    let answer = edge.call(&input).into_boxed_slice();
    let length = answer.len() as u64;
    // Addresses of wasm32 have 32 bits.
    length << 32 | Box::into_raw(answer).cast::<u8>() as u64
}

/// # Safety
/// As for [`edge_free`].
unsafe fn take(pointer: *mut u8, length: usize) -> Box<[u8]> {
    // SAFETY: `edge_alloc` and `edge_call` made this boxed slice, and nobody else has it.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(pointer, length)) }
}
