//! What can go wrong with a database, and what to do then.

use crate::say::{Sentence, Trouble, both};

/// What went wrong with the database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the database {file}: {kind:?}: {detail}")]
pub struct StoreError {
    /// Which file.
    pub file: String,
    /// What kind of trouble.
    pub kind: StoreTrouble,
    /// What the database says.
    pub detail: String,
}

/// Kinds of trouble with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreTrouble {
    /// The disk is full.
    Full,
    /// Another process holds it for too long.
    Locked,
    /// The file is damaged or no database.
    Corrupt,
    /// It cannot be opened or written.
    Unusable,
    /// It was written by a newer version of the hub.
    Newer,
    /// Anything else.
    Other,
}

impl StoreError {
    /// In words: what to do.
    #[must_use]
    pub fn said(&self) -> Sentence {
        let Self { file, detail, .. } = self;
        match self.kind {
            StoreTrouble::Full => both(
                format!(
                    "Đĩa chứa {file} đã đầy. Giải phóng chỗ; các điểm cầu sẽ tự gửi lại, không mất báo cáo."
                ),
                format!(
                    "The disk that holds {file} is full. Free some space; rooms send again by themselves, no report is lost."
                ),
            ),
            StoreTrouble::Locked => both(
                format!(
                    "Cơ sở dữ liệu {file} đang bị chương trình khác giữ. Đóng chương trình đó rồi thử lại."
                ),
                format!("The database {file} is held by another program. Close it and try again."),
            ),
            StoreTrouble::Corrupt => both(
                format!(
                    "Tệp {file} hỏng hoặc không phải cơ sở dữ liệu của máy chủ ({detail}). Không xóa; chuyển tệp sang chỗ khác và khôi phục bản sao lưu."
                ),
                format!(
                    "{file} is damaged or no database of the hub ({detail}). Do not delete it; move it aside and restore a backup."
                ),
            ),
            StoreTrouble::Unusable => both(
                format!("Không mở hoặc ghi được {file} ({detail}). Kiểm tra quyền của tệp và thư mục."),
                format!(
                    "{file} cannot be opened or written ({detail}). Check the permissions of the file and its directory."
                ),
            ),
            StoreTrouble::Newer => both(
                format!("{file} do bản mới hơn của máy chủ ghi ({detail}). Dùng bản đó."),
                format!("{file} was written by a newer version of the hub ({detail}). Use that version."),
            ),
            StoreTrouble::Other => both(
                format!("Cơ sở dữ liệu {file} báo lỗi: {detail}."),
                format!("The database {file} reports: {detail}."),
            ),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(e: StoreError) -> Self {
        Self::internal(e.said())
    }
}
