//! A list as a spreadsheet writes it: a line of column names, then rows. Bytes in, rows with their line numbers out.
//!
//! Strict, so that no row is read as something else: a cell too many, a quote that stays open, a byte that is no UTF-8
//! are refused with their line. What a spreadsheet adds by itself is no fault: a byte order mark, CRLF, `;` or a tab
//! between cells where the comma is for decimals, a `sep=` line, empty cells at the end, blank lines. `#` begins a
//! comment line. A cell has no line break.

use crate::say::{Sentence, both};

/// Largest list, bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Most rows of a list.
pub const MAX_ROWS: usize = 20_000;

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The names of its columns, in lower case.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// A row: as many cells as there are columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its line, from 1.
    pub line: u64,
    /// Its cells, without the spaces around them.
    pub cells: Vec<String>,
}

/// What is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong, and what to do.
    pub why: Sentence,
}

/// Reads a list.
///
/// # Errors
/// [`Wrong`]: the first line that cannot be read.
pub fn read(bytes: &[u8]) -> Result<Table, Wrong> {
    let wrong = |line, why| Wrong { line, why };
    if bytes.len() > MAX_BYTES {
        return Err(wrong(
            1,
            both(
                "tệp lớn hơn 4 MiB; chia thành nhiều tệp",
                "the file is larger than 4 MiB; split it",
            ),
        ));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut separator = None;
    let mut table: Option<Table> = None;
    for (number, line) in (1_u64..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line)
            .ok()
            .filter(|text| !text.contains('\0'))
            .ok_or_else(|| {
                wrong(
                    number,
                    both(
                        "không phải UTF-8; trong Excel, lưu lại bằng \"CSV UTF-8\"",
                        "this is not UTF-8; in a spreadsheet, save it as \"CSV UTF-8\"",
                    ),
                )
            })?;
        let text = text.trim_matches([' ', '\t']);
        // A row of a spreadsheet that has nothing in it.
        if text.is_empty() || text.starts_with('#') || text.chars().all(|c| matches!(c, ',' | ';' | '\t')) {
            continue;
        }
        if let (None, Some(said)) = (separator, text.strip_prefix("sep=")) {
            separator = said.chars().next().filter(|c| matches!(c, ',' | ';' | '\t'));
            continue;
        }
        let between = *separator.get_or_insert_with(|| between(text));
        let mut cells = cells(text, between).map_err(|why| wrong(number, why))?;
        let Some(table) = &mut table else {
            while cells.last().is_some_and(String::is_empty) {
                cells.pop();
            }
            let columns: Vec<String> = cells.iter().map(|name| name.to_lowercase()).collect();
            if let Some(name) = (columns.iter().enumerate())
                .find_map(|(at, name)| columns.iter().take(at).any(|other| other == name).then_some(name))
            {
                return Err(wrong(
                    number,
                    both(
                        format!("cột \"{name:.40}\" có hai lần; bỏ bớt một cột"),
                        format!("the column \"{name:.40}\" is there twice; leave one out"),
                    ),
                ));
            }
            table = Some(Table {
                columns,
                rows: vec![],
            });
            continue;
        };
        while cells.len() > table.columns.len() && cells.last().is_some_and(String::is_empty) {
            cells.pop();
        }
        if cells.len() > table.columns.len() {
            let (found, expected) = (cells.len(), table.columns.len());
            return Err(wrong(
                number,
                both(
                    format!(
                        "có {found} ô, dòng tiêu đề chỉ có {expected} cột; ô có dấu phân cách phải đặt trong dấu \"\""
                    ),
                    format!(
                        "it has {found} cells and the first line {expected} columns; put a cell with the separator in it between \"\""
                    ),
                ),
            ));
        }
        cells.resize(table.columns.len(), String::new());
        if table.rows.len() >= MAX_ROWS {
            return Err(wrong(
                number,
                both(
                    "quá 20.000 hàng; chia thành nhiều tệp",
                    "there are more than 20,000 rows; split the file",
                ),
            ));
        }
        table.rows.push(Row { line: number, cells });
    }
    table.ok_or_else(|| {
        wrong(
            1,
            both(
                "tệp không có dòng tiêu đề nào",
                "there is no line with the columns' names",
            ),
        )
    })
}

/// What stands between cells, as the first line has it.
fn between(header: &str) -> char {
    let count = |c: char| header.chars().filter(|found| *found == c).count();
    let most = [',', ';', '\t'].into_iter().rev().max_by_key(|c| count(*c));
    most.unwrap_or(',')
}

fn cells(line: &str, between: char) -> Result<Vec<String>, Sentence> {
    let mut cells = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        while chars.next_if(|c| *c == ' ').is_some() {}
        let mut cell = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next() {
                    Some('"') if chars.next_if_eq(&'"').is_some() => cell.push('"'),
                    Some('"') => break,
                    Some(c) => cell.push(c),
                    None => {
                        return Err(both(
                            "dấu \" không được đóng trên cùng dòng",
                            "a \" is not closed on its line",
                        ));
                    }
                }
            }
            while chars.next_if(|c| *c == ' ').is_some() {}
            if chars.peek().is_some_and(|c| *c != between) {
                return Err(both(
                    "sau dấu \" đóng còn có chữ; dấu \" trong ô phải viết thành \"\"",
                    "there is something after a closing \"; a \" within a cell is written \"\"",
                ));
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != between) {
                cell.push(c);
            }
        }
        cells.push(cell.trim().to_owned());
        if chars.next_if_eq(&between).is_none() {
            return Ok(cells);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &str) -> Vec<(u64, Vec<String>)> {
        let read = read(text.as_bytes()).unwrap();
        read.rows.into_iter().map(|row| (row.line, row.cells)).collect()
    }

    fn cells_of(list: &[&str]) -> Vec<String> {
        list.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn a_list_is_read_as_spreadsheets_write_it() {
        let plain = "Org,Room,Name\n# a comment\nabc,one,A\n\nabc,two,\"A, \"\"B\"\"\"\n";
        let expected = vec![
            (3, cells_of(&["abc", "one", "A"])),
            (5, cells_of(&["abc", "two", "A, \"B\""])),
        ];
        assert_eq!(rows(plain), expected);
        assert_eq!(read(plain.as_bytes()).unwrap().columns, ["org", "room", "name"]);
        let excel = "\u{feff}org;room;name;;\r\n# a comment;;\r\nabc;one; A ;;\r\n;;;;\r\nabc;two;\"A, \"\"B\"\"\"\r\n";
        assert_eq!(rows(excel), expected);
        let tabs = "sep=\t\norg\troom\tname\nabc\tone";
        assert_eq!(rows(tabs), [(3, cells_of(&["abc", "one", ""]))]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line() {
        let refused = |bytes: &[u8]| {
            let wrong = read(bytes).unwrap_err();
            (wrong.line, wrong.why.en)
        };
        for (bytes, line, word) in [
            (&b""[..], 1, "no line with the columns"),
            (b"# nothing\n\n", 1, "no line with the columns"),
            (b"org,room\nabc,one,two\n", 2, "3 cells"),
            (b"org,room\nabc,\"one\n", 2, "not closed"),
            (b"org,room\nabc,\"one\"x\n", 2, "after a closing"),
            (b"org,room\nabc,\xc3\x28\n", 2, "CSV UTF-8"),
            (b"\xff\xfeo\0r\0g\0", 1, "CSV UTF-8"),
            (b"org,room,ORG\n", 1, "there twice"),
            (&vec![b'a'; MAX_BYTES + 1], 1, "4 MiB"),
        ] {
            let (at, said) = refused(bytes);
            assert!(at == line && said.contains(word), "{at} {said}");
        }
        let many = format!("org\n{}", "a\n".repeat(MAX_ROWS + 1));
        assert!(refused(many.as_bytes()).1.contains("20,000"));
    }

    proptest! {
        /// Any bytes are rows or a line that is wrong; a row has a cell for each column.
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(prop_oneof![Just(b','), Just(b';'), Just(b'"'), Just(b'\n'), any::<u8>()], 0..200)) {
            if let Ok(table) = read(&bytes) {
                prop_assert!(table.rows.iter().all(|row| row.cells.len() == table.columns.len()));
            }
        }

        /// What is written with quotes is read back.
        #[test]
        fn quoted_cells_come_back(cells in proptest::collection::vec("[a-zàảãé ,;\"]{1,12}", 1..5)) {
            let trimmed: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
            prop_assume!(trimmed.iter().all(|cell| !cell.is_empty()));
            let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            let header: Vec<String> = (0..cells.len()).map(|n| format!("c{n}")).collect();
            let text = format!("{}\n{}\n", header.join(","), quoted.join(","));
            prop_assert_eq!(rows(&text), [(2, trimmed)]);
        }
    }
}
