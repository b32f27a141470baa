//! A browser's part in a test: one request to a page on this machine, the answer in full.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result};

use super::PATIENCE;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status, e.g. 200.
    pub status: u16,
    /// Its headers as they came.
    pub head: String,
    /// Its body; chunks are put together.
    pub body: String,
}

/// Asks for `path` of the page at `page` (`http://127.0.0.1:PORT` with or without a slash).
///
/// # Errors
/// When nobody answers, or what is answered is no HTTP.
pub fn get(page: &str, path: &str) -> Result<Answer> {
    let host = page
        .strip_prefix("http://")
        .with_context(|| format!("{page} is no page of this machine"))?
        .trim_end_matches('/');
    let mut stream = TcpStream::connect(host).with_context(|| page.to_owned())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .with_context(|| format!("{page}{path}"))?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .with_context(|| format!("{page}{path} answered with no HTTP: {text:.200}"))?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .with_context(|| format!("{page}{path} answered with no status: {head:.200}"))?;
    let chunked = head
        .to_ascii_lowercase()
        .contains("\r\ntransfer-encoding: chunked");
    Ok(Answer {
        status,
        head: head.to_owned(),
        body: if chunked { joined(body)? } else { body.to_owned() },
    })
}

/// Puts the chunks of a body together.
fn joined(body: &str) -> Result<String> {
    let mut whole = String::new();
    let mut rest = body;
    loop {
        let (size, after) = rest.split_once("\r\n").context("a chunk without a size")?;
        let size = usize::from_str_radix(size.trim(), 16).context("a chunk's size")?;
        if size == 0 {
            return Ok(whole);
        }
        whole.push_str(after.get(..size).context("a chunk that is cut off")?);
        rest = after.get(size + 2..).context("a chunk without an end")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(
            joined("3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n").unwrap(),
            "abc0123456789"
        );
        assert!(joined("3\r\nab").is_err());
        assert!(joined("zz\r\n").is_err());
    }
}
