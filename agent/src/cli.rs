//! The command line: what can be asked, and the exit codes.

use std::path::PathBuf;

use bridgepoint_protocol::text::Lang;
use clap::{Args, Parser, Subcommand};
use jiff::civil::Date;

/// Exit codes (contract, "Programs").
pub(crate) mod exit {
    use bridgepoint_protocol::claims::Verdict;

    /// It is as it should be.
    pub(crate) const OK: u8 = 0;
    /// `verify`: it does not hold.
    pub(crate) const NOT_VERIFIED: u8 = 1;
    /// Wrong usage. Never 2, which is a verdict.
    pub(crate) const USAGE: u8 = 64;
    /// Internal error, or the system refused something that the work needs.
    pub(crate) const INTERNAL: u8 = 70;
    /// Wrong configuration.
    pub(crate) const CONFIG: u8 = 78;
    /// Interrupted.
    pub(crate) const INTERRUPTED: u8 = 130;

    /// Of a check.
    pub(crate) fn of(verdict: Verdict) -> u8 {
        match verdict {
            Verdict::Ready => OK,
            Verdict::Degraded => 1,
            Verdict::NotReady => 2,
            Verdict::Unknown => 3,
        }
    }
}

/// Kiểm tra điểm cầu trước phiên họp · Checks a video-conference room before the meeting starts.
#[derive(Debug, Parser)]
#[command(name = "bridgepoint-agent", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where things are, for every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Where {
    /// Tệp cấu hình điểm cầu · the room's configuration file
    #[arg(long, value_name = "F", default_value = "/etc/bridgepoint/room.toml")]
    pub(crate) config: PathBuf,
    /// Thư mục dữ liệu của hộp · the box's state directory
    #[arg(
        long,
        value_name = "DIR",
        env = "BRIDGEPOINT_STATE",
        default_value = "/var/lib/bridgepoint"
    )]
    pub(crate) state: PathBuf,
    /// Ngôn ngữ · language [default: the configuration's]
    #[arg(long, value_name = "vi|en", value_parser = lang)]
    pub(crate) lang: Option<Lang>,
}

fn lang(text: &str) -> Result<Lang, String> {
    text.parse()
        .map_err(|e: bridgepoint_protocol::text::LangError| e.to_string())
}

fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|e: jiff::Error| e.to_string())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Kiểm tra điểm cầu ngay · check the room now
    Check {
        #[command(flatten)]
        place: Where,
        /// Chỉ các mục này, cách nhau dấu phẩy · only these checks or groups, comma-separated, e.g. codec,mic
        #[arg(long, value_name = "ID[,ID…]", value_delimiter = ',')]
        only: Option<Vec<String>>,
        /// In báo cáo dạng JSON · print the report as JSON and nothing else
        #[arg(long)]
        json: bool,
        /// Phiên họp được kiểm tra cho · the meeting that this is for
        #[arg(long, value_name = "ID")]
        meeting: Option<String>,
    },
    /// Chạy thường trực: trang tại chỗ, gửi về tỉnh · keep running: local page, delivery to the province
    Run {
        #[command(flatten)]
        place: Where,
    },
    /// Kết quả gần nhất và tình trạng gửi · the last result and what waits for delivery
    Status {
        #[command(flatten)]
        place: Where,
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// Mốc chuẩn lúc tổng duyệt · the accepted rehearsal
    Baseline {
        #[command(subcommand)]
        act: BaselineAct,
    },
    /// Sổ nhật ký đã ký · the signed logbook
    Logbook {
        #[command(subcommand)]
        act: LogbookAct,
    },
    /// Khóa của hộp · the box's key
    Key {
        #[command(subcommand)]
        act: KeyAct,
    },
    /// Đăng ký hộp với tỉnh · ask the province to trust this box
    Enrol {
        #[command(flatten)]
        place: Where,
        /// Chấp nhận khóa mới của máy chủ tỉnh (sau khi so mã qua điện thoại) · accept the province's new key
        #[arg(long)]
        accept_hub: bool,
    },
    /// Kiểm tra tệp cấu hình · the configuration
    Config {
        #[command(subcommand)]
        act: ConfigAct,
    },
    /// Xác minh một báo cáo hoặc một tệp sổ nhật ký · verify one report or one logbook file
    Verify {
        #[command(flatten)]
        place: Where,
        /// Tệp · the file
        file: PathBuf,
        /// Khóa công khai (JWK) để xác minh, có thể nhiều lần · a public key (JWK) to verify with, repeatable [default: this box's and its hub's]
        #[arg(long, value_name = "JWK")]
        key: Vec<PathBuf>,
    },
    /// Works on sound for its parent process; numbers only.
    #[command(hide = true)]
    Media,
}

impl Command {
    /// Where its things are; `None` for the hidden one.
    pub(crate) fn place(&self) -> Option<&Where> {
        match self {
            Self::Check { place, .. }
            | Self::Run { place }
            | Self::Status { place, .. }
            | Self::Baseline {
                act: BaselineAct::Show { place, .. } | BaselineAct::Accept { place, .. },
            }
            | Self::Logbook {
                act:
                    LogbookAct::List { place, .. }
                    | LogbookAct::Verify { place }
                    | LogbookAct::Export { place, .. },
            }
            | Self::Key {
                act: KeyAct::Init { place } | KeyAct::Show { place, .. } | KeyAct::Rotate { place },
            }
            | Self::Enrol { place, .. }
            | Self::Config {
                act: ConfigAct::Check { place },
            }
            | Self::Verify { place, .. } => Some(place),
            Self::Media => None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum BaselineAct {
    /// In mốc chuẩn · print it
    Show {
        #[command(flatten)]
        place: Where,
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// Lưu lần kiểm tra đầy đủ gần nhất làm mốc chuẩn · accept the last full check
    Accept {
        #[command(flatten)]
        place: Where,
        /// Người lưu · who accepts it [default: the logged-in user]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Người cho phép · who allowed it
        #[arg(long, value_name = "NAME")]
        allowed_by: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogbookAct {
    /// Liệt kê · list the entries
    List {
        #[command(flatten)]
        place: Where,
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// Xác minh toàn bộ · verify every line
    Verify {
        #[command(flatten)]
        place: Where,
    },
    /// Chép ra một tệp, kèm khóa công khai · write it into one file, with the public keys beside it
    Export {
        #[command(flatten)]
        place: Where,
        /// Từ ngày · from this day on, e.g. 2026-11-01
        #[arg(long, value_name = "DATE", value_parser = day)]
        from: Option<Date>,
        /// Đến hết ngày · to the end of this day
        #[arg(long, value_name = "DATE", value_parser = day)]
        to: Option<Date>,
        /// Tệp mới · the new file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyAct {
    /// Tạo khóa nếu chưa có · make the key where there is none
    Init {
        #[command(flatten)]
        place: Where,
    },
    /// In khóa công khai và mã nhận dạng · print the public key and the fingerprint
    Show {
        #[command(flatten)]
        place: Where,
        /// JWK
        #[arg(long)]
        json: bool,
    },
    /// Đổi sang khóa mới, thử với máy chủ tỉnh trước khi dùng · change to a new key, tried at the hub before it is used
    Rotate {
        #[command(flatten)]
        place: Where,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAct {
    /// Đọc và kiểm tra · read and check it
    Check {
        #[command(flatten)]
        place: Where,
    },
}
