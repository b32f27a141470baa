//! Approving and revoking: whose key it is, whether it is the one that was read over the telephone, and the question.

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::path::Path;

use bridgepoint_protocol::name::RoomAddress;
use bridgepoint_protocol::text::{self, Lang};

use super::{no_such_room, open, print};
use crate::keyring::{KeyState, Keyring, RoomKey};
use crate::say::{Exit, Sentence, Trouble, both};
use crate::store::sqlite::SqliteStore;
use crate::store::{Decision, Expected, Store, decide, keyring, next_number};

/// A decision that is wished for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// About which room.
    pub at: RoomAddress,
    /// The fingerprint that was read over the telephone.
    pub fingerprint: Option<String>,
    /// The number from which on a key is revoked.
    pub from: Option<u64>,
    /// Do not ask.
    pub yes: bool,
}

/// Approves the key that waits.
///
/// # Errors
/// [`Trouble`]; exit 1 when nothing waits, when the fingerprint is another, or when the answer is no.
pub fn approve(
    store: &Path,
    wish: &Wish,
    lang: Lang,
    now_ms: i64,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let mut store = open(store)?;
    let keyring = keyring(&store)?;
    let keys: Vec<&RoomKey> = keyring.keys_of(&wish.at).collect();
    if keys.is_empty() {
        return Err(no_such_room(&wish.at));
    }
    let waiting: Vec<&RoomKey> = keys
        .iter()
        .copied()
        .filter(|k| k.state == KeyState::Pending)
        .collect();
    let key = match &wish.fingerprint {
        Some(given) => keys
            .iter()
            .copied()
            .find(|k| same(&k.kid.fingerprint(), given))
            .ok_or_else(|| differs(given, &waiting))?,
        None => one(&waiting, &wish.at)?,
    };
    if key.state == KeyState::Approved {
        let said = both("Hộp này đã được duyệt.", "This box is approved already.");
        return print(out, said.in_lang(lang));
    }
    if keyring.is_anothers(&wish.at, &key.kid) {
        return Err(Trouble::no(both(
            "Khóa này đang là của một điểm cầu khác (có thể thẻ nhớ đã bị sao chép). Thu hồi ở điểm cầu kia, hoặc tạo khóa mới trên hộp này.",
            "This key is another room's (perhaps a disk was copied). Revoke it there, or make a new key on this box.",
        )));
    }
    let replaced = keyring.approved(&wish.at).map(|k| k.kid.fingerprint());
    let mut question = both(
        format!(
            "Điểm cầu {} ({}), mã nhận dạng hộp:\n\n    {}\n",
            wish.at,
            key.name,
            key.kid.fingerprint()
        ),
        format!(
            "Room {} ({}), fingerprint of its box:\n\n    {}\n",
            wish.at,
            key.name,
            key.kid.fingerprint()
        ),
    );
    if let Some(old) = &replaced {
        question.vi += &format!("\nThay cho hộp {old}: hộp cũ sẽ bị thu hồi.\n");
        question.en += &format!("\nIt replaces the box {old}, which will be revoked.\n");
    }
    confirm(wish, &question, lang, out)?;
    decide(&mut store, &wish.at, &key.kid, Decision::Approve, now_ms)?;
    let done = both(
        format!("Đã duyệt hộp {} của điểm cầu {}.", key.kid.fingerprint(), wish.at),
        format!("The box {} of {} is approved.", key.kid.fingerprint(), wish.at),
    );
    print(out, done.in_lang(lang))
}

/// Revokes the room's key, or the one that is named, from a number on: what it has signed below stays and is still
/// taken when it comes late. A box that is only expected is expected no more.
///
/// # Errors
/// As [`approve`].
pub fn revoke(
    store: &Path,
    wish: &Wish,
    lang: Lang,
    now_ms: i64,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let mut store = open(store)?;
    let ring = keyring(&store)?;
    let keys: Vec<&RoomKey> = ring.keys_of(&wish.at).collect();
    let trusted: Vec<&RoomKey> = keys
        .iter()
        .copied()
        .filter(|k| matches!(k.state, KeyState::Pending | KeyState::Next | KeyState::Approved))
        .collect();
    if let Some(expected) = meant(&store, wish, &keys)? {
        return withdraw(&mut store, wish, &expected, lang, out);
    }
    let key = match (&wish.fingerprint, ring.approved(&wish.at)) {
        // One that was revoked can be revoked from an earlier number on; a former one can be revoked too.
        (Some(given), _) => keys
            .iter()
            .copied()
            .find(|k| same(&k.kid.fingerprint(), given))
            .ok_or_else(|| differs(given, &trusted))?,
        (None, Some(key)) => key,
        (None, None) if keys.is_empty() => return Err(no_such_room(&wish.at)),
        (None, None) => one(&trusted, &wish.at)?,
    };
    let from = match (wish.from, next_number(&store, key)?) {
        (Some(_), None) => {
            return Err(Trouble::usage(both(
                "Khóa này chưa từng được duyệt nên chưa có mục nào; bỏ --from.",
                "This key was never approved and has no entries; leave out --from.",
            )));
        }
        (Some(from), Some(_)) => Some(from),
        (None, next) => next,
    };
    let Range {
        newest,
        void,
        end,
        others,
    } = Range::of(&store, &ring, key, from, now_ms)?;
    // What is written down can be a lower number than the one that was wished for; that one counts.
    let ends = from.and(end);
    let fingerprint = key.kid.fingerprint();
    let question = match ends {
        None => both(
            format!(
                "Từ chối hộp {fingerprint} xin đăng ký cho điểm cầu {}.\n",
                wish.at
            ),
            format!("Refuse the box {fingerprint} that asks for {}.\n", wish.at),
        ),
        Some(from) => {
            let mut said = both(
                format!(
                    "Thu hồi hộp {fingerprint} của điểm cầu {} từ mục {from} trong sổ nhật ký (mục mới nhất đã nhận: {newest}).\nMục {from} trở đi bị từ chối; mục trước đó đến muộn vẫn được nhận.\n",
                    wish.at
                ),
                format!(
                    "Revoke the box {fingerprint} of {} from entry {from} of its logbook on (newest entry held: {newest}).\nEntry {from} and later ones are refused; earlier ones are still taken when they come late.\n",
                    wish.at
                ),
            );
            if void > 0 {
                said.vi += &format!(
                    "{void} mục đã nhận từ mục {from} được giữ làm chứng cứ, không còn được tính vào kết quả.\n"
                );
                said.en += &format!(
                    "{void} entries held from {from} on stay as evidence and count for no result any more.\n"
                );
            }
            for other in &others {
                said.vi += &format!("Khóa {other} do khóa này bàn giao cũng bị thu hồi.\n");
                said.en += &format!("The key {other}, to which it handed over, is revoked with it.\n");
            }
            said
        }
    };
    confirm(wish, &question, lang, out)?;
    decide(&mut store, &wish.at, &key.kid, Decision::Revoke(from), now_ms)?;
    // It may have asked while the room had another key: then it is still on the list.
    let listed = |e: &Expected| e.at == wish.at && e.fingerprint.is_of(&key.kid);
    if store.expected()?.iter().any(listed) {
        store.drop_expected(&wish.at)?;
    }
    let done = match ends {
        None => both(
            format!("Đã từ chối hộp {fingerprint} của điểm cầu {}.", wish.at),
            format!("The box {fingerprint} is refused for {}.", wish.at),
        ),
        Some(from) => both(
            format!(
                "Đã thu hồi hộp {fingerprint} của điểm cầu {} từ mục {from}.",
                wish.at
            ),
            format!(
                "The box {fingerprint} of {} is revoked from entry {from} on.",
                wish.at
            ),
        ),
    };
    print(out, done.in_lang(lang))
}

/// The expectation that is meant: the one of this fingerprint, or, of a room for which no other key waits or is trusted,
/// the only thing that there is to revoke.
fn meant(store: &impl Store, wish: &Wish, keys: &[&RoomKey]) -> Result<Option<Expected>, Trouble> {
    let Some(expected) = store.expected()?.into_iter().find(|e| e.at == wish.at) else {
        return Ok(None);
    };
    let known = |k: &&RoomKey| matches!(k.state, KeyState::Pending | KeyState::Next | KeyState::Approved);
    let is_meant = match &wish.fingerprint {
        Some(given) => {
            let asked = |k: &&RoomKey| same(&k.kid.fingerprint(), given);
            same(&expected.fingerprint.to_string(), given) && !keys.iter().any(asked)
        }
        None => !keys.iter().any(known),
    };
    Ok(Some(expected).filter(|_| is_meant))
}

/// Expects this box no more.
fn withdraw(
    store: &mut SqliteStore,
    wish: &Wish,
    expected: &Expected,
    lang: Lang,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let (at, fingerprint) = (&expected.at, &expected.fingerprint);
    let question = both(
        format!("Không chờ hộp {fingerprint} cho điểm cầu {at} nữa: khi đăng ký, hộp này phải được duyệt.\n"),
        format!("Expect the box {fingerprint} for {at} no more: when it asks, it has to be approved.\n"),
    );
    confirm(wish, &question, lang, out)?;
    store.drop_expected(at)?;
    let done = both(
        format!("Điểm cầu {at} không còn chờ hộp {fingerprint}."),
        format!("The box {fingerprint} is expected for {at} no more."),
    );
    print(out, done.in_lang(lang))
}

/// What a revocation would change.
struct Range {
    /// The newest number that is held.
    newest: u64,
    /// Entries that are held and would be believed no more.
    void: u64,
    /// The number from which on the key signs nothing, as it will be written down.
    end: Option<u64>,
    /// Fingerprints of keys that go with it.
    others: Vec<String>,
}

impl Range {
    fn of(
        store: &impl Store,
        ring: &Keyring,
        key: &RoomKey,
        from: Option<u64>,
        now_ms: i64,
    ) -> Result<Self, Trouble> {
        let newest = store.chain(&key.at, key.chain)?.map_or(0, |row| row.last);
        let changed = ring.revoke(&key.at, &key.kid, from, now_ms);
        let mut void = 0;
        for key in &changed {
            void += store.held_from(&key.at, &key.kid, key.end.unwrap_or(u64::MAX))?;
        }
        let others = changed.iter().filter(|k| k.kid != key.kid);
        Ok(Self {
            newest,
            void,
            end: changed.iter().find(|k| k.kid == key.kid).and_then(|k| k.end),
            others: others.map(|k| k.kid.fingerprint()).collect(),
        })
    }
}

/// Asks, unless the wish is plain: the fingerprint was given, or it was said not to ask.
fn confirm(wish: &Wish, question: &Sentence, lang: Lang, out: &mut impl Write) -> Result<(), Trouble> {
    print(out, question.in_lang(lang))?;
    if wish.yes || wish.fingerprint.is_some() {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Trouble::usage(both(
            "Không có bàn phím để hỏi. Thêm --fingerprint với mã được đọc qua điện thoại, hoặc --yes.",
            "There is nobody to ask. Add --fingerprint with what was read over the telephone, or --yes.",
        )));
    }
    let ask = both(
        "So mã với hộp qua điện thoại. Đúng không? [c/K] ",
        "Compare it with the box over the telephone. Is it the same? [y/N] ",
    );
    write!(out, "{}", ask.in_lang(lang))
        .and_then(|()| out.flush())
        .map_err(|e| Trouble::output(&e))?;
    let mut answer = String::new();
    // An unreadable answer is no.
    let _ = stdin.lock().read_line(&mut answer);
    if ["c", "co", "có", "y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        Ok(())
    } else {
        Err(Trouble::no(both("Không thay đổi gì.", "Nothing was changed.")))
    }
}

/// Fingerprints are compared as they are heard: case, groups and spaces do not matter.
fn same(fingerprint: &str, given: &str) -> bool {
    let heard = |text: &str| -> String {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_uppercase())
            .collect()
    };
    heard(fingerprint) == heard(given)
}

fn differs(given: &str, waiting: &[&RoomKey]) -> Trouble {
    let list = fingerprints(waiting);
    let (vi, en) = if list.is_empty() {
        ("    (không có)".to_owned(), "    (none)".to_owned())
    } else {
        (list.clone(), list)
    };
    let given = text::clean(given);
    Trouble::no(both(
        format!("Mã {given} khác với hộp đang chờ; không thay đổi gì. Đang chờ:\n{vi}"),
        format!("{given} is not the box that waits; nothing was changed. Waiting:\n{en}"),
    ))
}

fn one<'a>(keys: &[&'a RoomKey], at: &RoomAddress) -> Result<&'a RoomKey, Trouble> {
    match keys {
        [one] => Ok(one),
        [] => Err(Trouble::no(both(
            format!("Không có hộp nào của {at} đang chờ duyệt."),
            format!("No box of {at} waits to be approved."),
        ))),
        several => {
            let list = fingerprints(several);
            Err(Trouble::no(both(
                format!("Có nhiều hộp của {at}; chọn một bằng --fingerprint:\n{list}"),
                format!("There are several boxes of {at}; choose one with --fingerprint:\n{list}"),
            )))
        }
    }
}

fn fingerprints(keys: &[&RoomKey]) -> String {
    keys.iter()
        .map(|k| format!("    {}", k.kid.fingerprint()))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests;
