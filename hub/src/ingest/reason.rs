//! Why a message is not taken: one word each, counted for each room, with its sentence for the operator.

use bridgepoint_protocol::envelope::OpenError;
use serde::Serialize;

use crate::say::{Sentence, both};

/// Why a message is not taken. Counted for each room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Larger than 64 KiB.
    Oversized,
    /// A topic that is no room's here.
    Topic,
    /// No envelope, another kind than belongs on this topic, or claims that cannot be read.
    Malformed,
    /// A version of the wire that is not spoken here.
    Version,
    /// The signature does not hold, or the header is one that is refused.
    Forged,
    /// The claims name another room than the topic, or the key is another room's.
    WrongRoom,
    /// A key that never asked.
    UnknownKey,
    /// A key that waits for the operator.
    PendingKey,
    /// A key that is trusted no more.
    RevokedKey,
    /// A key that handed over to another before that number.
    FormerKey,
    /// A key that was handed over to after that number.
    EarlyKey,
    /// Too many keys wait already.
    TooManyKeys,
    /// The room's key hands over, and the statement does not hold or the next key cannot be the room's. The entry
    /// itself is kept.
    Rotation,
    /// Two histories.
    Fork,
    /// More in a short time than is taken from one room.
    Flood,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Oversized,
        Self::Topic,
        Self::Malformed,
        Self::Version,
        Self::Forged,
        Self::WrongRoom,
        Self::UnknownKey,
        Self::PendingKey,
        Self::RevokedKey,
        Self::FormerKey,
        Self::EarlyKey,
        Self::TooManyKeys,
        Self::Rotation,
        Self::Fork,
        Self::Flood,
    ];

    /// In words, for the operator.
    #[must_use]
    pub fn said(self) -> Sentence {
        match self {
            Self::Oversized => both("quá lớn", "too large"),
            Self::Topic => both("sai chủ đề MQTT", "on a topic that is no room's"),
            Self::Malformed => both("không đọc được", "not readable"),
            Self::Version => both("phiên bản không hỗ trợ", "of a version that is not spoken here"),
            Self::Forged => both("mã xác thực không đúng", "whose signature does not hold"),
            Self::WrongRoom => both("của điểm cầu khác", "of another room"),
            Self::UnknownKey => both("khóa lạ", "of an unknown key"),
            Self::PendingKey => both("hộp chưa được duyệt", "of a box that waits to be approved"),
            Self::RevokedKey => both("hộp đã bị thu hồi", "of a revoked box"),
            Self::FormerKey => both("khóa cũ đã được thay", "of a key that was replaced"),
            Self::EarlyKey => both(
                "khóa chưa được dùng ở mục đó",
                "of a key that was not in use at that entry",
            ),
            Self::Rotation => both(
                "đổi khóa không hợp lệ",
                "that change the key in a way that does not hold",
            ),
            Self::TooManyKeys => both("quá nhiều hộp đang chờ duyệt", "beyond the boxes that may wait"),
            Self::Fork => both(
                "mâu thuẫn với sổ nhật ký đã nhận",
                "that contradict the logbook held here",
            ),
            Self::Flood => both("gửi quá nhanh", "that came too fast"),
        }
    }

    /// The word in the database and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Oversized => "oversized",
            Self::Topic => "topic",
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Forged => "forged",
            Self::WrongRoom => "wrong-room",
            Self::UnknownKey => "unknown-key",
            Self::PendingKey => "pending-key",
            Self::RevokedKey => "revoked-key",
            Self::FormerKey => "former-key",
            Self::EarlyKey => "early-key",
            Self::TooManyKeys => "too-many-keys",
            Self::Rotation => "rotation",
            Self::Fork => "fork",
            Self::Flood => "flood",
        }
    }
}

/// The reason behind an envelope that does not open.
pub(super) fn reason_of(e: &OpenError) -> Reason {
    match e {
        OpenError::TooLarge { .. } => Reason::Oversized,
        OpenError::Forged | OpenError::Header(_) | OpenError::BadKey => Reason::Forged,
        OpenError::UnknownKey(_) => Reason::UnknownKey,
        OpenError::Version(_) => Reason::Version,
        OpenError::Malformed | OpenError::WrongKind { .. } | OpenError::Claims(_) => Reason::Malformed,
    }
}
