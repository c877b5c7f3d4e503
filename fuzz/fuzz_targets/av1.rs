//! Any bytes as the samples of a picture, whose first ones choose its size, its kind and the settings of the encoder: no
//! panic, no more memory for the stream than allowed, and a stream that begins with a sequence header.

#![no_main]

use image_origin_av1::{Colour, EncodeError, EncodeOptions, Picture, Planes, SpeedSettings, encode};
use libfuzzer_sys::fuzz_target;

/// More than any picture of these sides needs, and less than some do.
const MAX_BYTES: [u64; 2] = [1 << 20, 2 << 10];

fuzz_target!(|bytes: &[u8]| {
    let [width, height, kind, quantizer, speed, samples @ ..] = bytes else { return };
    let (width, height) = (u32::from(width % 100) + 1, u32::from(height % 100) + 1);
    let plane = |from: usize, step: u32| -> Vec<u8> {
        let count = (width.div_ceil(step) * height.div_ceil(step)) as usize;
        let samples = samples.get(from..).unwrap_or_default();
        samples.iter().copied().chain(std::iter::repeat(128)).take(count).collect()
    };
    let step = if kind % 3 == 1 { 2 } else { 1 };
    let (luma, cb, cr) = (plane(0, 1), plane(7, step), plane(13, step));
    let planes = match kind % 3 {
        0 => Planes::Grey(&luma),
        1 => Planes::Halved([&luma, &cb, &cr]),
        _ => Planes::Full([&luma, &cb, &cr]),
    };
    let speed = SpeedSettings::DEFAULT
        .smallest(2 + speed % 4)
        .halves_up_to(speed / 4 % 6)
        .modes(usize::from(speed / 24 % 5))
        .tx_types_of_each_mode(speed % 2 == 0);
    let max_bytes = MAX_BYTES[usize::from(kind / 3 % 2)];
    let picture = Picture::new(width, height, planes, Colour::default()).expect("planes fill the picture");
    match encode(&picture, &EncodeOptions::default().quantizer(*quantizer).speed(speed).max_bytes(max_bytes)) {
        Ok(stream) => {
            // OBU_SEQUENCE_HEADER (6.2.2).
            assert_eq!(stream.units[0] >> 3 & 15, 1);
            assert!(stream.units.len() as u64 <= max_bytes);
        }
        Err(EncodeError::TooLarge { needed, limit }) => assert!(needed > limit && limit == max_bytes),
        Err(error) => panic!("{error}"),
    }
});
