//! The hub's signing key: made on first use, kept as PKCS #8 in `<state>/key.pk8`, readable by its owner only.
//!
//! Rooms pin it; it is replaced only by `key rotate` ([`rotate`]), with the former key's word for the next one.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bridgepoint_protocol::envelope::{Kid, SigningKey};
use bridgepoint_protocol::text::Lang;
use ring::rand::SystemRandom;

use crate::file;
use crate::say::{Exit, Trouble, both};

mod rotate;

pub use rotate::{Former, former, published, rotate};

/// Where the key is kept.
#[must_use]
pub fn path(state: &Path) -> PathBuf {
    state.join("key.pk8")
}

/// Reads the key.
///
/// # Errors
/// [`Trouble`] when the file is there but cannot be used: unreadable, open to others, or no key.
pub fn read(state: &Path) -> Result<Option<SigningKey>, Trouble> {
    let path = path(state);
    let shown = path.display();
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unusable(&path, &e)),
    };
    let mode = fs::metadata(&path)
        .map_err(|e| unusable(&path, &e))?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(Trouble::internal(both(
            format!("Tệp khóa {shown} đang cho người khác đọc (quyền {mode:o}). Chạy: chmod 600 {shown}"),
            format!("The key file {shown} is open to others (mode {mode:o}). Run: chmod 600 {shown}"),
        )));
    }
    let key = SigningKey::from_pkcs8(&bytes).map_err(|_| {
        Trouble::internal(both(
            format!("Tệp {shown} không phải là khóa của máy chủ. Khôi phục tệp từ bản sao lưu; không tạo khóa mới nếu các điểm cầu đã ghi nhận khóa cũ."),
            format!("{shown} is no key of the hub. Restore it from a backup; do not make a new one when rooms have pinned the old one."),
        ))
    })?;
    Ok(Some(key))
}

/// Reads the key, or makes it. The flag is true when it was made now.
///
/// # Errors
/// [`Trouble`] as [`read`], or when it cannot be written.
pub fn read_or_make(state: &Path) -> Result<(SigningKey, bool), Trouble> {
    if let Some(key) = read(state)? {
        return Ok((key, false));
    }
    let path = path(state);
    let made = SigningKey::generate(&SystemRandom::new()).map_err(|e| {
        Trouble::internal(both(
            format!("Không tạo được khóa: {e}"),
            format!("No key could be made: {e}"),
        ))
    })?;
    file::private_dir(state).map_err(|e| unusable(state, &e))?;
    match file::create(&path, &made) {
        Ok(()) => {}
        // Another process was faster: its key is the key.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(unusable(&path, &e)),
    }
    read(state)?
        .map(|key| (key, true))
        .ok_or_else(|| unusable(&path, &io::Error::from(io::ErrorKind::NotFound)))
}

/// Shows the public half. `made` is whether it was made just now, when that was the question.
///
/// # Errors
/// [`Trouble`] when the output cannot be written.
pub fn show(
    key: &SigningKey,
    former: &[Former],
    made: Option<bool>,
    json: bool,
    lang: Lang,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let (kid, fingerprint, jwk) = (key.kid().as_str(), key.kid().fingerprint(), key.verifying().jwk());
    let text = if json {
        let former: Vec<_> = former
            .iter()
            .map(|f| {
                let kid = f.key().map(|key| key.kid());
                let fingerprint = kid.as_ref().map(Kid::fingerprint);
                serde_json::json!({ "jwk": f.jwk, "kid": kid, "fingerprint": fingerprint, "replaced_ms": f.replaced_ms })
            })
            .collect();
        serde_json::json!({ "jwk": jwk, "kid": kid, "fingerprint": fingerprint, "former": former })
            .to_string()
    } else {
        let news = match made {
            Some(true) => both("Đã tạo khóa.\n", "A key was made.\n"),
            Some(false) => both("Đã có khóa.\n", "There is a key already.\n"),
            None => both("", ""),
        };
        let jwk = serde_json::to_string(&jwk).unwrap_or_default();
        let said = both(
            format!(
                "{}Khóa công khai:   {jwk}\nThumbprint (kid): {kid}\nMã nhận dạng:     {fingerprint}",
                news.vi
            ),
            format!(
                "{}Public key:       {jwk}\nThumbprint (kid): {kid}\nFingerprint:      {fingerprint}",
                news.en
            ),
        );
        let mut text = said.in_lang(lang).to_owned();
        for former in former.iter().filter_map(Former::key) {
            let fingerprint = former.kid().fingerprint();
            let said = both(
                format!("Khóa cũ:          {fingerprint}"),
                format!("Former key:       {fingerprint}"),
            );
            text.push('\n');
            text.push_str(said.in_lang(lang));
        }
        text
    };
    writeln!(out, "{text}").map_err(|e| Trouble::output(&e))?;
    Ok(Exit::Done)
}

/// Replaces the key and says what follows. `runs` is whether a hub is up that has the former key in its memory.
///
/// # Errors
/// [`Trouble`] as [`rotate()`].
pub fn replace(
    state: &Path,
    runs: bool,
    lang: Lang,
    now_ms: i64,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let (former, next) = rotate(state, now_ms)?;
    let (old, new) = (former.kid().fingerprint(), next.kid().fingerprint());
    let mut said = both(
        format!(
            "Đã đổi khóa của máy chủ.\nKhóa cũ:  {old}\nKhóa mới: {new}\nCác hộp đã ghi nhận khóa cũ sẽ tự chuyển sang khóa mới."
        ),
        format!(
            "The hub's key was replaced.\nFormer: {old}\nNew:    {new}\nBoxes that have pinned the former key follow by themselves."
        ),
    );
    if runs {
        said.vi +=
            "\nMáy chủ đang chạy vẫn dùng khóa cũ. Khởi động lại ngay: systemctl restart bridgepoint-hub";
        said.en +=
            "\nThe hub that runs still has the former key. Restart it now: systemctl restart bridgepoint-hub";
    }
    writeln!(out, "{}", said.in_lang(lang)).map_err(|e| Trouble::output(&e))?;
    Ok(Exit::Done)
}

/// There is no key in a directory that should have one.
#[must_use]
pub fn no_key(state: &Path) -> Trouble {
    let shown = state.display();
    Trouble::no(both(
        format!("Chưa có khóa trong {shown}. Chạy: bridgepoint-hub key init"),
        format!("There is no key in {shown}. Run: bridgepoint-hub key init"),
    ))
}

fn unusable(path: &Path, e: &io::Error) -> Trouble {
    let shown = path.display();
    Trouble::internal(both(
        format!(
            "Không đọc hoặc ghi được {shown}: {e}. Kiểm tra quyền của thư mục, hoặc chọn thư mục khác bằng --state."
        ),
        format!(
            "{shown} cannot be read or written: {e}. Check the directory's permissions, or choose another with --state."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_to_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        assert!(read(&state).unwrap().is_none());
        let (key, made) = read_or_make(&state).unwrap();
        let (again, made_again) = read_or_make(&state).unwrap();
        assert!(made && !made_again);
        assert_eq!(key.kid(), again.kid());
        assert_eq!(
            fs::metadata(path(&state)).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn an_open_or_broken_key_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        read_or_make(dir.path()).unwrap();
        let file = path(dir.path());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read(dir.path()).unwrap_err().said.en.contains("chmod 600"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, b"rubbish").unwrap();
        assert!(
            read(dir.path())
                .unwrap_err()
                .said
                .en
                .contains("no key of the hub")
        );
    }
}
