//! A compressed body, made readable for judging.
//!
//! Seawall asks for uncompressed replies wherever it must look inside. An upstream that
//! compresses all the same is judged by a copy, and its bytes pass as they are; only errors are
//! passed on decompressed, because a body that an SDK cannot read costs the caller the status too.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

/// The largest decompressed body.
pub(crate) const DECODED_MAX: usize = 32 * 1024 * 1024;
/// The most that a body may grow by: more is an attack, not an answer.
pub(crate) const EXPANSION_MAX: usize = 100;

/// A body to judge by.
pub(crate) enum Copy {
    /// It is not compressed.
    Same,
    /// It was; this is what it says.
    Decoded(Bytes),
    /// It is, in a way not known here.
    Unknown,
    /// It claims to be, and is not.
    Broken,
}

/// Whether a reply is compressed, by its own word.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_ENCODING).is_some_and(|v| !v.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// What `body` says.
pub(crate) fn copy(headers: &HeaderMap, body: &[u8]) -> Copy {
    if !is_encoded(headers) {
        return Copy::Same;
    }
    let encoding = headers.get(header::CONTENT_ENCODING).map(|v| v.as_bytes().to_ascii_lowercase()).unwrap_or_default();
    let decoded = match encoding.as_slice() {
        b"gzip" | b"x-gzip" => read(MultiGzDecoder::new(body), body.len()),
        b"deflate" => read(ZlibDecoder::new(body), body.len()),
        _ => return Copy::Unknown,
    };
    decoded.map_or(Copy::Broken, |bytes| Copy::Decoded(bytes.into()))
}

/// An error's body without compression; `None` if that cannot be had.
pub(crate) fn plain(headers: &HeaderMap, body: &Bytes) -> Option<Bytes> {
    match copy(headers, body) {
        Copy::Same => Some(body.clone()),
        Copy::Decoded(bytes) => Some(bytes),
        Copy::Unknown | Copy::Broken => None,
    }
}

fn read(decoder: impl Read, compressed: usize) -> Option<Vec<u8>> {
    let max = DECODED_MAX.min(compressed.saturating_mul(EXPANSION_MAX));
    let mut out = Vec::new();
    let read = decoder.take(max as u64 + 1).read_to_end(&mut out).ok()?;
    (read <= max).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(encoding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_ENCODING, http::HeaderValue::from_static(encoding))])
    }

    #[test]
    fn gzip_is_read_and_nonsense_is_broken() {
        assert!(matches!(copy(&headers("gzip"), &gzip(b"{}")), Copy::Decoded(b) if b == "{}"));
        assert!(matches!(copy(&headers("gzip"), b"not gzip"), Copy::Broken));
        assert!(matches!(copy(&headers("br"), b"?"), Copy::Unknown));
        assert!(matches!(copy(&headers("identity"), b"{}"), Copy::Same));
        assert!(matches!(copy(&HeaderMap::new(), b"{}"), Copy::Same));
    }

    #[test]
    fn a_body_may_grow_a_hundredfold_and_no_further() {
        let bomb = gzip(&vec![0; 1 << 20]);
        assert!(bomb.len() * EXPANSION_MAX < 1 << 20);
        assert!(matches!(copy(&headers("gzip"), &bomb), Copy::Broken));
        // 4 KiB of zeros compress to 24 bytes or so: more than a hundredfold; random-looking text does not.
        let text: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert!(matches!(copy(&headers("gzip"), &gzip(&text)), Copy::Decoded(b) if b == text));
    }
}
