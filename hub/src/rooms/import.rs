//! `room import FILE.csv`: boxes that an operator approves before they ask, by their fingerprints.
//!
//! Everything is checked before anything is written. A room that has another approved key is refused: that one is
//! replaced by `room approve`, a person's act for one room, never by a list.

use std::collections::BTreeMap;
use std::io::{Read as _, Write};
use std::path::Path;

use bridgepoint_protocol::name::{Name, RoomAddress};
use bridgepoint_protocol::text::{self, Lang};

use super::print;
use crate::csv::{self, MAX_BYTES, Table, Wrong};
use crate::file;
use crate::keyring::{Fingerprint, KeyState, Keyring, RoomKey};
use crate::say::{Exit, Trouble, both};
use crate::store::sqlite::SqliteStore;
use crate::store::{Decision, Expected, Store, decide_within, keyring};

/// Wrong lines that are named at once.
const MAX_NAMED: usize = 20;

/// The columns, the first three required.
const COLUMNS: [&str; 4] = ["org", "room", "fingerprint", "name"];

/// Reads a list and expects or approves its keys.
///
/// # Errors
/// [`Trouble`]; exit 1 when the list cannot be taken as it is: then nothing was changed.
pub fn import(
    store: &Path,
    state: &Path,
    list: &Path,
    orgs: Option<&[Name]>,
    lang: Lang,
    now_ms: i64,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    let lines = read(list).map_err(|e| refused(list, &[e]))?;
    let wishes = wishes(&lines, orgs).map_err(|all| refused(list, &all))?;
    if store.parent() == Some(state) {
        file::private_dir(state).map_err(|e| unreadable(state, &e))?;
    }
    let mut store = SqliteStore::open(store)?;
    store.begin()?;
    let done = take(&mut store, &wishes, now_ms);
    let counted = match done {
        Ok(Ok(counted)) => store.commit().map(|()| counted)?,
        Ok(Err(all)) => {
            store.rollback();
            return Err(refused(list, &all));
        }
        Err(e) => {
            store.rollback();
            return Err(e.into());
        }
    };
    let Counted {
        approved,
        expected,
        unchanged,
    } = counted;
    let said = both(
        format!(
            "Duyệt ngay {approved} hộp; {expected} hộp sẽ được duyệt khi đăng ký lần đầu; {unchanged} hàng không thay đổi gì."
        ),
        format!(
            "{approved} boxes are approved now; {expected} will be when they first ask; {unchanged} rows change nothing."
        ),
    );
    print(out, said.in_lang(lang))
}

/// A row that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    line: u64,
    at: RoomAddress,
    fingerprint: Fingerprint,
    name: String,
}

/// What a list has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counted {
    approved: u64,
    expected: u64,
    unchanged: u64,
}

fn read(list: &Path) -> Result<Table, Wrong> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES + 1).unwrap_or(u64::MAX);
    std::fs::File::open(list)
        .and_then(|opened| opened.take(limit).read_to_end(&mut bytes))
        .map_err(|e| Wrong {
            line: 0,
            why: both(
                format!("không đọc được tệp: {e}"),
                format!("the file cannot be read: {e}"),
            ),
        })?;
    csv::read(&bytes)
}

/// The rows as wishes, or everything that is wrong with them by themselves.
fn wishes(table: &Table, orgs: Option<&[Name]>) -> Result<Vec<Wish>, Vec<Wrong>> {
    let column = |name: &str| table.columns.iter().position(|column| column == name);
    let mut wrong: Vec<Wrong> = Vec::new();
    for unknown in table.columns.iter().filter(|c| !COLUMNS.contains(&c.as_str())) {
        wrong.push(Wrong {
            line: 1,
            why: both(
                format!("cột \"{unknown:.40}\" không dùng ở đây; dòng tiêu đề: org,room,fingerprint,name"),
                format!(
                    "the column \"{unknown:.40}\" is not known; the first line is: org,room,fingerprint,name"
                ),
            ),
        });
    }
    let (Some(org), Some(room), Some(fingerprint)) = (column("org"), column("room"), column("fingerprint"))
    else {
        wrong.push(Wrong {
            line: 1,
            why: both(
                "dòng tiêu đề phải có các cột org, room, fingerprint",
                "the first line has to name the columns org, room, fingerprint",
            ),
        });
        return Err(wrong);
    };
    let name = column("name");
    let mut wishes: Vec<Wish> = Vec::new();
    let mut rooms: BTreeMap<RoomAddress, u64> = BTreeMap::new();
    let mut boxes: BTreeMap<Fingerprint, u64> = BTreeMap::new();
    for row in &table.rows {
        let cell = |at: usize| row.cells.get(at).map_or("", String::as_str);
        let line = row.line;
        let mut say = |vi: String, en: String| {
            wrong.push(Wrong {
                line,
                why: both(vi, en),
            });
        };
        let (Ok(org), Ok(room)) = (Name::new(cell(org)), Name::new(cell(room))) else {
            let (org, room) = (text::clean(cell(org)), text::clean(cell(room)));
            say(
                format!(
                    "\"{org:.40}/{room:.40}\" không phải là điểm cầu; dùng chữ thường a-z, số và dấu -, từ 3 đến 40 ký tự"
                ),
                format!("\"{org:.40}/{room:.40}\" is no room; write a-z, 0-9 and -, 3 to 40 of them"),
            );
            continue;
        };
        if orgs.is_some_and(|orgs| !orgs.contains(&org)) {
            say(
                format!("đơn vị {org} không có trong cấu hình; sửa cột org hoặc thêm vào [hub] orgs"),
                format!(
                    "the organisation {org} is not in the configuration; correct the column org or add it to [hub] orgs"
                ),
            );
            continue;
        }
        let Some(fingerprint) = Fingerprint::read(cell(fingerprint)) else {
            let shown = text::clean(cell(fingerprint));
            say(
                format!(
                    "\"{shown:.60}\" không phải là mã nhận dạng; chép đủ tám nhóm bốn ký tự như hộp hiển thị"
                ),
                format!(
                    "\"{shown:.60}\" is no fingerprint; copy all eight groups of four as the box shows them"
                ),
            );
            continue;
        };
        let at = RoomAddress { org, room };
        if let Some(before) = rooms.insert(at.clone(), line) {
            say(
                format!("điểm cầu {at} đã có ở dòng {before}; mỗi điểm cầu một hàng"),
                format!("the room {at} is on line {before} already; leave one row for it"),
            );
            continue;
        }
        if let Some(before) = boxes.insert(fingerprint.clone(), line) {
            say(
                format!("mã này đã có ở dòng {before} cho điểm cầu khác; mỗi hộp có mã riêng"),
                format!(
                    "this fingerprint is on line {before} for another room already; each box has its own"
                ),
            );
            continue;
        }
        wishes.push(Wish {
            line,
            at,
            fingerprint,
            name: name.map(|at| text::clean(cell(at))).unwrap_or_default(),
        });
    }
    if wrong.is_empty() { Ok(wishes) } else { Err(wrong) }
}

/// Within a group of writes: checks every wish against what is kept, then writes, or says all that is in the way.
fn take(
    store: &mut impl Store,
    wishes: &[Wish],
    now_ms: i64,
) -> Result<Result<Counted, Vec<Wrong>>, crate::store::StoreError> {
    let ring = keyring(store)?;
    let kept = store.expected()?;
    let keys: BTreeMap<Fingerprint, Vec<&RoomKey>> = ring.iter().fold(BTreeMap::new(), |mut all, key| {
        all.entry(Fingerprint::of(&key.kid)).or_default().push(key);
        all
    });
    let (mut acts, mut wrong) = (Vec::new(), Vec::new());
    for wish in wishes {
        let known = keys.get(&wish.fingerprint).map_or(&[][..], Vec::as_slice);
        match act(wish, &ring, known, &kept) {
            Ok(act) => acts.push((wish, act)),
            Err(why) => wrong.push(why),
        }
    }
    if !wrong.is_empty() {
        return Ok(Err(wrong));
    }
    let mut counted = Counted::default();
    for (wish, act) in acts {
        match act {
            Act::Approve(key) => {
                decide_within(store, &wish.at, &key.kid, Decision::Approve, now_ms)?;
                counted.approved += 1;
            }
            Act::Expect => {
                store.put_expected(&Expected {
                    at: wish.at.clone(),
                    fingerprint: wish.fingerprint.clone(),
                    name: wish.name.clone(),
                    added_ms: now_ms,
                })?;
                counted.expected += 1;
            }
            Act::Nothing => counted.unchanged += 1,
        }
    }
    Ok(Ok(counted))
}

/// What a wish comes to.
enum Act<'a> {
    Approve(&'a RoomKey),
    Expect,
    Nothing,
}

fn act<'a>(wish: &Wish, ring: &Keyring, known: &[&'a RoomKey], kept: &[Expected]) -> Result<Act<'a>, Wrong> {
    let Wish { at, fingerprint, .. } = wish;
    let no = |vi: String, en: String| {
        Err(Wrong {
            line: wish.line,
            why: both(vi, en),
        })
    };
    let here = known.iter().copied().find(|k| k.at == *at);
    if here.is_some_and(|k| k.state.is_the_rooms()) {
        return Ok(Act::Nothing);
    }
    if let Some(own) = ring.approved(at) {
        let own = own.kid.fingerprint();
        return no(
            format!(
                "{at} đã có hộp khác được duyệt ({own}); nếu đã thay hộp: bridgepoint-hub room approve {at}"
            ),
            format!(
                "{at} has another approved box ({own}); if it was replaced: bridgepoint-hub room approve {at}"
            ),
        );
    }
    let elsewhere = known
        .iter()
        .find(|k| k.at != *at && (k.state.is_the_rooms() || k.state == KeyState::Former));
    if let Some(other) = elsewhere.map(|k| &k.at) {
        return no(
            format!("hộp này đang là của {other}; thu hồi ở đó, hoặc tạo khóa mới trên hộp"),
            format!("this box is {other}'s; revoke it there, or make a new key on the box"),
        );
    }
    if known.iter().any(|k| k.state == KeyState::Revoked) {
        return no(
            format!(
                "hộp này đã bị thu hồi; nếu là nhầm: bridgepoint-hub room approve {at} --fingerprint {fingerprint}"
            ),
            format!(
                "this box was revoked; if that was a mistake: bridgepoint-hub room approve {at} --fingerprint {fingerprint}"
            ),
        );
    }
    if let Some(other) = kept.iter().find(|e| e.fingerprint == *fingerprint && e.at != *at) {
        let other = &other.at;
        return no(
            format!(
                "mã này đang được chờ cho {other}; sửa lại hàng này, hoặc nhập mã đúng cho {other} trước"
            ),
            format!(
                "this fingerprint is expected for {other}; correct this row, or import the right one for {other} first"
            ),
        );
    }
    Ok(match here {
        Some(key) => Act::Approve(key),
        None if kept
            .iter()
            .any(|e| e.at == *at && e.fingerprint == *fingerprint && e.name == wish.name) =>
        {
            Act::Nothing
        }
        None => Act::Expect,
    })
}

fn refused(list: &Path, all: &[Wrong]) -> Trouble {
    let shown = list.display();
    let (mut vi, mut en) = (String::new(), String::new());
    for Wrong { line, why } in all.iter().take(MAX_NAMED) {
        if *line == 0 {
            vi += &format!("{shown}: {}.\n", why.vi);
            en += &format!("{shown}: {}.\n", why.en);
        } else {
            vi += &format!("{shown}, dòng {line}: {}.\n", why.vi);
            en += &format!("{shown}, line {line}: {}.\n", why.en);
        }
    }
    if all.len() > MAX_NAMED {
        let more = all.len() - MAX_NAMED;
        vi += &format!("… và {more} lỗi khác.\n");
        en += &format!("… and {more} more.\n");
    }
    vi += "Không thay đổi gì. Sửa tệp rồi nhập lại.";
    en += "Nothing was changed. Correct the file and import it again.";
    Trouble::no(both(vi, en))
}

fn unreadable(dir: &Path, e: &std::io::Error) -> Trouble {
    let shown = dir.display();
    Trouble::internal(both(
        format!("Không tạo được thư mục {shown}: {e}. Kiểm tra quyền, hoặc chọn thư mục khác bằng --state."),
        format!(
            "The directory {shown} cannot be made: {e}. Check permissions, or choose another with --state."
        ),
    ))
}

#[cfg(test)]
mod tests;
