//! The command line: what is asked, in which directory, with which configuration; and how it ends.
//!
//! Standard output carries the result, standard error the log. Exit codes are the contract's.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bridgepoint_protocol::name::RoomAddress;
use bridgepoint_protocol::text::Lang;
use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::{self, DEFAULT_FILE, DEFAULT_STATE, Settings};
use crate::say::{Exit, Trouble, both};
use crate::{key, meetings, proof, reflector, rooms, serve};

/// Máy chủ tỉnh: nhận, xác minh, lưu và hiển thị báo cáo của các điểm cầu.
///
/// The province's hub: receives, verifies, keeps and shows the rooms' reports.
#[derive(Debug, Parser)]
#[command(name = "bridgepoint-hub", version, disable_help_subcommand = true)]
struct Cli {
    /// Tệp cấu hình · configuration [/etc/bridgepoint/hub.toml]
    #[arg(long, global = true, value_name = "F")]
    config: Option<PathBuf>,
    /// Thư mục trạng thái · state directory [/var/lib/bridgepoint-hub, BRIDGEPOINT_STATE]
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Ngôn ngữ · language: vi, en
    #[arg(long, global = true, value_name = "LANG", value_parser = parse_lang)]
    lang: Option<Lang>,
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Chạy máy chủ · run the hub
    Serve,
    /// Các điểm cầu · rooms
    #[command(subcommand)]
    Room(RoomCmd),
    /// Lịch họp · meetings
    #[command(subcommand)]
    Meeting(MeetingCmd),
    /// Khóa của máy chủ · the hub's signing key
    #[command(subcommand)]
    Key(KeyCmd),
    /// Xác minh một báo cáo hoặc một tệp sổ nhật ký · verify a report or a logbook file
    Verify {
        /// Tệp · file
        file: PathBuf,
    },
    /// Chỉ chạy điểm đo đường truyền · run the line test's other end alone
    Reflector {
        /// Địa chỉ và cổng UDP · where it listens [\[reflector\] listen, 0.0.0.0:9511]
        #[arg(long, value_name = "IP:PORT")]
        listen: Option<SocketAddr>,
        /// Tổng tốc độ tối đa, mỗi chiều · all tests together, each way [\[reflector\] budget_kbps, 100000]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        budget_kbps: Option<u32>,
    },
}

#[derive(Debug, Subcommand)]
enum RoomCmd {
    /// Danh sách điểm cầu, xấu nhất trước · all rooms, worst first
    List {
        /// Một tài liệu JSON · one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Một điểm cầu · one room
    Show {
        /// ORG/ROOM
        at: String,
        /// Một tài liệu JSON · one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Duyệt khóa của hộp kiểm tra · approve a box's key
    Approve(DecideArgs),
    /// Thu hồi khóa của hộp kiểm tra · revoke a box's key
    Revoke {
        #[command(flatten)]
        args: DecideArgs,
        /// Số mục trong sổ nhật ký mà từ đó trở đi không tin nữa [mục sau mục mới nhất đã nhận] · the entry from
        /// which on it is trusted no more [the one after the newest that is held]
        #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..=1 << 62))]
        from: Option<u64>,
    },
    /// Duyệt trước theo danh sách CSV: org,room,fingerprint[,name] · approve in advance, from a list
    Import {
        /// Tệp CSV · the list
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct DecideArgs {
    /// ORG/ROOM
    at: String,
    /// Mã nhận dạng hộp, đọc qua điện thoại · the box's fingerprint, as read over the telephone
    #[arg(long, value_name = "F")]
    fingerprint: Option<String>,
    /// Không hỏi lại · do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Subcommand)]
enum MeetingCmd {
    /// Thêm một phiên họp · add a meeting
    Add(Box<AddArgs>),
    /// Các phiên họp sắp tới · meetings ahead, soonest first
    List {
        /// Cả những phiên đã qua · those that are over too
        #[arg(long)]
        all: bool,
        /// Một tài liệu JSON · one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Một phiên họp và các điểm cầu · one meeting with its rooms
    Show {
        /// Mã phiên họp · the meeting's id
        id: String,
        /// Một tài liệu JSON · one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Hủy một phiên họp · cancel a meeting
    Cancel {
        /// Mã phiên họp · the meeting's id
        id: String,
    },
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Đơn vị, khi máy chủ có nhiều · the organisation, when the hub has several
    #[arg(long)]
    org: Option<String>,
    /// Tên phiên họp · subject
    #[arg(long)]
    subject: String,
    /// Giờ họp chính thức, giờ Việt Nam · official start, time in Việt Nam: 2026-11-25T08:00
    #[arg(long, value_name = "TIME")]
    start: String,
    /// Thời lượng, phút · length, minutes
    #[arg(long, value_name = "MIN", default_value_t = 120)]
    length: u32,
    /// Giờ tổng duyệt · rehearsal
    #[arg(long, value_name = "TIME")]
    rehearsal: Option<String>,
    /// all, hoặc các điểm cầu · all, or rooms: bai-chay,hong-gai
    #[arg(long, value_name = "ROOM,…")]
    rooms: String,
    /// Điểm cầu chủ tọa · the chair room
    #[arg(long, value_name = "ROOM")]
    chair: Option<String>,
    /// Họp đột xuất, khẩn cấp · called at short notice
    #[arg(long)]
    urgent: bool,
    /// Tốc độ mỗi chiều, kbit/s · call rate each way, kbit/s
    #[arg(long, value_name = "N")]
    rate_kbps: Option<u32>,
    /// Cần ghi hình · recording wanted
    #[arg(long)]
    recording: bool,
    /// Cần trình chiếu · slides wanted
    #[arg(long)]
    slides: bool,
    /// Cần phát video · video playback wanted
    #[arg(long)]
    video: bool,
    /// Mã phiên họp [m-NĂM-THÁNG-NGÀY-SỐ] · its id
    #[arg(long)]
    id: Option<String>,
}

#[derive(Debug, Subcommand)]
enum KeyCmd {
    /// Tạo khóa nếu chưa có · make the key if there is none
    Init,
    /// Khóa công khai, thumbprint và mã nhận dạng · public key, thumbprint and fingerprint
    Show {
        /// Một tài liệu JSON · one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Thay khóa; các hộp tự chuyển theo · replace the key; boxes follow by themselves
    Rotate,
}

fn parse_lang(word: &str) -> Result<Lang, String> {
    word.parse()
        .map_err(|e: bridgepoint_protocol::text::LangError| e.to_string())
}

/// Runs the program.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are no fault; everything else here is wrong usage.
            let exit = if e.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = e.print();
            return code(exit);
        }
    };
    start_log();
    let mut out = std::io::stdout().lock();
    let ended = obey(&cli, &mut out);
    let flushed = out.flush();
    match (ended, flushed) {
        (Ok(exit), Ok(())) => code(exit),
        // Whoever read the output has seen enough.
        (Ok(_), Err(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => code(Exit::Done),
        (Ok(_), Err(e)) => {
            eprintln!("{e}");
            code(Exit::Internal)
        }
        (Err((trouble, lang)), _) => {
            eprintln!("{}", trouble.said.in_lang(lang));
            code(trouble.exit)
        }
    }
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

fn start_log() {
    let filter =
        EnvFilter::try_from_env("BRIDGEPOINT_LOG").unwrap_or_else(|_| EnvFilter::new("info,rumqttc=error"));
    let stderr = std::io::stderr();
    let colour = stderr.is_terminal();
    // A second start, as in a test, keeps the first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .try_init();
}

/// The place where a command works.
struct Place {
    settings: Option<Settings>,
    state: PathBuf,
    lang: Lang,
}

impl Place {
    fn store(&self) -> PathBuf {
        self.settings
            .as_ref()
            .map_or_else(|| self.state.join("hub.db"), |s| s.store_file(&self.state))
    }
}

fn obey(cli: &Cli, out: &mut impl std::io::Write) -> Result<Exit, (Trouble, Lang)> {
    let asked = cli.lang.unwrap_or_default();
    let state = cli.state.clone().or_else(|| {
        std::env::var_os("BRIDGEPOINT_STATE")
            .filter(|s| !s.is_empty())
            .map(Into::into)
    });
    let state = state.unwrap_or_else(|| DEFAULT_STATE.into());
    let file = cli.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    let settings = match (&cli.command, &cli.config) {
        (Cmd::Serve, _) | (_, Some(_)) => config::read(&file).map(Some),
        (_, None) => config::read_if_there(Path::new(DEFAULT_FILE)),
    };
    let settings = settings.map_err(|trouble| (trouble, asked))?;
    let lang = cli.lang.or(settings.as_ref().map(|s| s.lang)).unwrap_or_default();
    let place = Place {
        settings,
        state,
        lang,
    };
    command(&cli.command, place, out).map_err(|trouble| (trouble, lang))
}

fn command(command: &Cmd, place: Place, out: &mut impl std::io::Write) -> Result<Exit, Trouble> {
    let now_ms = crate::clock::now_ms();
    let (store, lang) = (place.store(), place.lang);
    match command {
        Cmd::Serve => {
            let settings = place
                .settings
                .ok_or_else(|| Trouble::config(both("Thiếu cấu hình.", "There is no configuration.")))?;
            serve::serve(&Settings { lang, ..settings }, &place.state)
        }
        Cmd::Room(RoomCmd::List { json }) => rooms::list(&store, *json, lang, now_ms, out),
        Cmd::Room(RoomCmd::Show { at, json }) => rooms::show(&store, &address(at)?, *json, lang, now_ms, out),
        Cmd::Room(RoomCmd::Approve(args)) => rooms::approve(&store, &wish(args)?, lang, now_ms, out),
        Cmd::Room(RoomCmd::Revoke { args, from }) => {
            let wish = rooms::Wish {
                from: *from,
                ..wish(args)?
            };
            rooms::revoke(&store, &wish, lang, now_ms, out)
        }
        Cmd::Room(RoomCmd::Import { file }) => {
            let orgs = place.settings.as_ref().map(|settings| settings.orgs.as_slice());
            rooms::import(&store, &place.state, file, orgs, lang, now_ms, out)
        }
        Cmd::Meeting(MeetingCmd::Add(args)) => {
            let orgs = place.settings.as_ref().map(|settings| settings.orgs.as_slice());
            meetings::add(&store, &args.wish(), orgs, lang, now_ms, out)
        }
        Cmd::Meeting(MeetingCmd::List { all, json }) => {
            meetings::list(&store, *all, *json, lang, now_ms, out)
        }
        Cmd::Meeting(MeetingCmd::Show { id, json }) => meetings::show(&store, id, *json, lang, now_ms, out),
        Cmd::Meeting(MeetingCmd::Cancel { id }) => meetings::cancel(&store, id, lang, now_ms, out),
        Cmd::Key(KeyCmd::Init) => {
            let (signing, made) = key::read_or_make(&place.state)?;
            key::show(&signing, &[], Some(made), false, lang, out)
        }
        Cmd::Key(KeyCmd::Show { json }) => match key::read(&place.state)? {
            Some(signing) => {
                let former = key::former(&place.state, &signing)?;
                key::show(&signing, &former, None, *json, lang, out)
            }
            None => Err(key::no_key(&place.state)),
        },
        Cmd::Key(KeyCmd::Rotate) => {
            let runs = serve::is_up(&place.state);
            key::replace(&place.state, runs, lang, now_ms, out)
        }
        Cmd::Reflector { listen, budget_kbps } => {
            let written = place.settings.and_then(|settings| settings.reflector);
            let usual = config::Reflector::default();
            let written = written.unwrap_or(usual);
            reflector::alone(
                listen.unwrap_or(written.listen),
                budget_kbps.unwrap_or(written.budget_kbps),
                lang,
                out,
            )
        }
        Cmd::Verify { file } => {
            // Receipts of former keys are as good as they were.
            let mut hub = Vec::new();
            if let Some(signing) = key::read(&place.state)? {
                let former = key::former(&place.state, &signing)?;
                hub.push(signing.verifying());
                hub.extend(former.iter().filter_map(key::Former::key));
            }
            proof::verify(file, &store, &hub, lang, out)
        }
    }
}

impl AddArgs {
    fn wish(&self) -> meetings::Wish {
        meetings::Wish {
            org: self.org.clone(),
            subject: self.subject.clone(),
            start: self.start.clone(),
            length_min: self.length,
            rehearsal: self.rehearsal.clone(),
            rooms: self.rooms.clone(),
            chair: self.chair.clone(),
            urgent: self.urgent,
            rate_kbps: self.rate_kbps,
            recording: self.recording,
            slides: self.slides,
            video: self.video,
            id: self.id.clone(),
        }
    }
}

fn address(text: &str) -> Result<RoomAddress, Trouble> {
    text.parse().map_err(|_| {
        Trouble::usage(both(
            format!("\"{text:.80}\" không phải là điểm cầu. Viết ORG/ROOM, ví dụ quang-ninh/bai-chay."),
            format!("\"{text:.80}\" is no room. Write ORG/ROOM, e.g. quang-ninh/bai-chay."),
        ))
    })
}

fn wish(args: &DecideArgs) -> Result<rooms::Wish, Trouble> {
    Ok(rooms::Wish {
        at: address(&args.at)?,
        fingerprint: args.fingerprint.clone(),
        from: None,
        yes: args.yes,
    })
}
