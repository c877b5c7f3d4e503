//! Streams that are made bit by bit.

use super::*;

/// Writes bits, the lowest first.
#[derive(Default)]
struct Writer {
    bits: Vec<bool>,
}

impl Writer {
    fn put(&mut self, value: u32, count: u32) -> &mut Self {
        self.bits.extend((0..count).map(|bit| value >> bit & 1 == 1));
        self
    }

    /// Pixels of the first symbol of eleven bits.
    fn black(&mut self) {
        self.bits.resize(self.bits.len() + 64 * 64 * 11, false);
    }

    /// A code of one symbol.
    fn single(&mut self, symbol: u32) -> &mut Self {
        self.put(0b101, 3).put(symbol, 8)
    }

    fn bytes(&self) -> Vec<u8> {
        self.bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |value, bit| value << 1 | u8::from(*bit))).collect()
    }
}

/// The start of a stream of 64 by 64 pixels without transforms, with a colour cache, whose squares of 4 by 4 pixels all
/// have the last of so many groups of codes.
fn start_of(groups: u32) -> Writer {
    let (mut writer, last) = (Writer::default(), groups - 1);
    writer.put(SIGNATURE.into(), 8).put(63, 14).put(63, 14).put(0, 4);
    writer.put(0, 1).put(1, 1).put(11, 4).put(1, 1).put(0, 3).put(0, 1);
    writer.single(last & 0xff).single(last >> 8).single(0).single(0).single(0);
    writer
}

/// Codes whose green has 2048 symbols of eleven bits: of lengths 11 and 16, repeat eleven, in one bit each.
fn put_large_group(writer: &mut Writer) {
    writer.put(0, 1).put(11, 4);
    let order = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11];
    order.iter().for_each(|symbol| _ = writer.put((*symbol == 11 || *symbol == 16).into(), 3));
    writer.put(1, 1).put(4, 3).put(343 - 2, 10).put(0, 1);
    (0..341).for_each(|_| _ = writer.put(1, 1).put(3, 2));
    writer.put(0, 1);
    (0..4).for_each(|_| _ = writer.single(0));
}

#[test]
fn codes_that_no_pixel_uses_take_no_memory() {
    let mut writer = start_of(300);
    (0..300).for_each(|_| put_large_group(&mut writer));
    writer.black();
    // Beside the pixels, and what numbers the groups, one group of 2048 symbols fits, and not 300.
    let pixels = 64 * 64 * 4 + 16 * 16 * 6 + (3 << 16);
    let within = |memory| decode(&writer.bytes(), &DecodeOptions::default().max_bytes(memory));
    assert!(within(pixels + 40_000).is_ok());
    assert!(matches!(within(pixels), Err(DecodeError::TooLarge { .. })));
}

#[test]
fn codes_are_held_against_the_budget() {
    // Each of the squares has codes of its own, red and green of which number it.
    let mut writer = Writer::default();
    writer.put(SIGNATURE.into(), 8).put(63, 14).put(63, 14).put(0, 4);
    writer.put(0, 1).put(1, 1).put(11, 4).put(1, 1).put(0, 3).put(0, 1);
    // 256 literals of eight bits for green: length 8 for each, by repeating.
    writer.put(0, 1).put(15, 4);
    let order = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    order.iter().for_each(|symbol| _ = writer.put((*symbol == 8 || *symbol == 16).into(), 3));
    // 8 once, then 42 times six more and once three, which are 256.
    writer.put(1, 1).put(2, 3).put(44 - 2, 6);
    writer.put(0, 1);
    (0..42).for_each(|_| _ = writer.put(1, 1).put(3, 2));
    writer.put(1, 1).put(0, 2);
    (0..4).for_each(|_| _ = writer.single(0));
    (0..256u32).for_each(|square| _ = writer.put(square.reverse_bits() >> 24, 8));
    (0..256).for_each(|_| put_large_group(&mut writer));
    writer.black();
    let bytes = writer.bytes();
    let within = |memory| decode(&bytes, &DecodeOptions::default().max_bytes(memory));
    // 256 codes of 2048 entries of four bytes.
    assert!(within(7 << 20).is_ok(), "{:?}", within(7 << 20).err());
    assert!(matches!(within(2 << 20), Err(DecodeError::TooLarge { .. })));
}

#[test]
fn many_codes_can_be_interrupted() {
    let mut writer = start_of(2);
    put_large_group(&mut writer);
    put_large_group(&mut writer);
    let check = || ControlFlow::Break(());
    let outcome = decode(&writer.bytes(), &DecodeOptions::default().check(&check));
    assert!(matches!(outcome, Err(DecodeError::Cancelled)));
}

#[test]
fn headers_are_checked() {
    let header = |width, height, has_alpha| Some(Header { width, height, has_alpha });
    for (bytes, expected) in [
        ([0x2f, 0, 0, 0, 0].as_slice(), header(1, 1, false)),
        (&[0x2f, 0xff, 0xff, 0xff, 0x1f], header(16_384, 16_384, true)),
        (&[0x2f, 0x3f, 0xc0, 0x07, 0x10], header(64, 32, true)),
        (&[0x2e, 0, 0, 0, 0], None),
        (&[0x2f, 0, 0, 0, 0x20], None),
        (&[0x2f, 0, 0, 0], None),
    ] {
        assert_eq!(Header::read(bytes).ok(), expected, "{bytes:?}");
    }
}

#[test]
fn sides_that_do_not_exist_are_refused() {
    for size in [(0, 1), (1, 0), (16_385, 1), (1, u32::MAX)] {
        let outcome = decode_headless(&[0; 100], size, &DecodeOptions::default());
        assert!(matches!(outcome, Err(DecodeError::Damaged(_))), "{size:?}");
    }
}
