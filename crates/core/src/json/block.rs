//! Sixty-four bytes of JSON at once: which of them are brackets, and which are inside a string.
//!
//! One bit a byte, so that a whole block is answered by a few instructions. Nothing here knows
//! where a value ends; that is the scanner's.

use wide::u8x16;

/// Bytes looked at in one go: one bit of a mask for each.
pub(super) const BLOCK: usize = 64;

/// The block that begins at `at`, filled up with spaces, and how many bytes it really has.
#[inline]
pub(super) fn block_at(bytes: &[u8], at: usize) -> ([u8; BLOCK], usize) {
    let rest = &bytes[at..];
    if let Some(block) = rest.first_chunk() {
        return (*block, BLOCK);
    }
    let mut block = [b' '; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    (block, rest.len())
}

/// `[`, `]`, `{` and `}` are what remains of these bits when the others are ignored, along with
/// `Y`, `_`, `y` and DEL, which JSON has only inside strings.
pub(super) const BRACKET_MASK: u8 = !0x26;
pub(super) const BRACKET: u8 = 0x59;

/// Which bytes belong to strings, carried from block to block.
#[derive(Default)]
pub(super) struct Strings {
    /// All ones if the last block ended inside a string.
    pub(super) open: u64,
    /// Whether the last block ended with a backslash that escapes the next byte.
    pub(super) escaped: bool,
}

impl Strings {
    /// The bytes of `block` that are inside a string, its opening quote included.
    #[inline]
    pub(super) fn inside(&mut self, block: &[u8; BLOCK]) -> u64 {
        let quotes = mask(block, b'"', 0xff) & !self.escapes(block);
        // Each bit becomes the parity of the quotes up to it.
        let mut inside = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        inside ^= self.open;
        self.open = if inside >> 63 == 1 { u64::MAX } else { 0 };
        inside
    }

    /// The bytes of `block` that a backslash before them escapes.
    #[inline]
    fn escapes(&mut self, block: &[u8; BLOCK]) -> u64 {
        let carried = u64::from(std::mem::take(&mut self.escaped));
        let mut backslashes = mask(block, b'\\', 0xff) & !carried;
        let mut escapes = carried;
        while backslashes != 0 {
            let bit = backslashes.trailing_zeros();
            if bit == 63 {
                self.escaped = true;
                break;
            }
            escapes |= 2 << bit;
            backslashes &= !(3 << bit);
        }
        escapes
    }
}

/// One bit per byte of `block`: whether it equals `byte` once only the bits in `kept` are kept.
///
/// Vectors of sixteen bytes are what every x86-64 and `AArch64` has; a comparison and the gathering
/// of its answers are two instructions each.
#[inline]
pub(super) fn mask(block: &[u8; BLOCK], byte: u8, kept: u8) -> u64 {
    let (byte, kept) = (u8x16::splat(byte), u8x16::splat(kept));
    let (lanes, _) = block.as_chunks::<16>();
    lanes.iter().rev().fold(0, |bits, lane| {
        let answers = (u8x16::new(*lane) & kept).simd_eq(byte);
        bits << 16 | u64::from(answers.to_bitmask() & 0xffff)
    })
}
