//! The rules that every sentence for a technician obeys: short, no orders beyond what is allowed, no word of
//! fault for what could not be learnt, no word of the trade where there is a plain one.

use crate::text::Lang;
use crate::text::locale::Locale;

/// Codes that say "could not be learnt": they never say that something is broken.
const NOT_LEARNT: [&str; 17] = [
    "no-answer",
    "refused",
    "garbled",
    "busy",
    "stale",
    "timeout",
    "cancelled",
    "closed",
    "no-name",
    "not-present",
    "ended-early",
    "call-unknown",
    "mic.maybe-off",
    "power.no-data",
    "line.box-slow",
    "line.no-slot",
    "line.loss-unclear",
];

/// Every variant of every text, as it stands with its parameters left out.
fn all(lang: Lang) -> Vec<(String, String)> {
    let locale = Locale::check(lang).unwrap();
    locale
        .all()
        .iter()
        .flat_map(|(path, text)| {
            text.variants()
                .iter()
                .map(|v| (path.clone(), v.fill_anyway(&|_| None)))
        })
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

#[test]
fn no_sentence_uses_a_forbidden_word() {
    let phrases = [
        "ký số",
        "chữ ký",
        "lỗi không xác định",
        "đóng băng",
        "vân tay",
        "diễn tập",
        "đường cơ sở",
        "tác nhân",
        "bộ mã hóa",
        "cài đặt trước",
        "cuộc gọi video",
        "chứng thực",
        "T-90",
        "T-20",
        "đ/c",
    ];
    let words_not_used = [
        "anh", "chị", "bạn", "agent", "hub", "codec", "log", "test", "duty", "baseline", "upload",
        "download", "report", "check", "error", "call", "room",
    ];
    for (path, text) in all(Lang::Vi) {
        if path == "ui/other-language" {
            continue;
        }
        for phrase in phrases {
            assert!(!text.contains(phrase), "{path}: \"{phrase}\" in \"{text}\"");
        }
        for word in words(&text) {
            // `anh` is a pronoun, `âm thanh` and `hình ảnh` are other words: whole words only.
            assert!(
                !words_not_used.contains(&word.to_lowercase().as_str()),
                "{path}: \"{word}\" in \"{text}\""
            );
        }
    }
}

#[test]
fn no_sentence_shouts() {
    let abbreviations = [
        "VCS", "UPS", "IP", "MCU", "MTU", "HDMI", "USB", "COM", "RAM", "DSCP", "OK",
    ];
    for lang in Lang::ALL {
        for (path, text) in all(lang) {
            assert!(!text.contains('!'), "{path}: {text}");
            if path.starts_with("verdict/") && path.ends_with("/label") {
                assert_eq!(text, text.to_uppercase(), "{path}");
                continue;
            }
            for word in
                words(&text).filter(|word| word.chars().count() > 1 && word.chars().all(char::is_uppercase))
            {
                assert!(abbreviations.contains(&word), "{path}: {word}");
            }
        }
    }
}

#[test]
fn what_could_not_be_learnt_is_never_called_broken() {
    let locales = Lang::ALL.map(all);
    for code in NOT_LEARNT {
        let prefix = format!("code/{code}/");
        for (path, text) in locales
            .iter()
            .flatten()
            .filter(|(path, _)| path.starts_with(&prefix))
        {
            for word in ["hỏng", "lỗi", "Lỗi", "broken", "faulty", "defect"] {
                assert!(!text.contains(word), "{path}: {text}");
            }
        }
    }
}

#[test]
fn every_sentence_is_short() {
    for lang in Lang::ALL {
        for (path, text) in all(lang)
            .into_iter()
            .filter(|(path, _)| path.starts_with("code/"))
        {
            let sentences = text.split_terminator(". ").count();
            assert!(sentences <= 2, "{path}: {sentences} sentences");
            assert!(text.split_whitespace().count() <= 28, "{path}: {text}");
            if path.ends_with("/label") {
                assert!(
                    !text.ends_with('.') && text.split_whitespace().count() <= 14,
                    "{path}: {text}"
                );
            } else {
                assert!(text.ends_with('.'), "{path}: {text}");
            }
        }
    }
}

/// The technician switches on, plugs in, uncovers, calls and checks again, and leaves settings alone (R20, R24).
#[test]
fn no_sentence_asks_for_what_only_the_operator_may_do() {
    for (path, text) in all(Lang::Vi) {
        for act in ["quay số", "đổi mật khẩu", "sửa", "Sửa"] {
            let whole = path.starts_with("code/") && text.contains(act);
            assert!(
                !whole || text.contains("Không tự ") || text.contains("không tự "),
                "{path}: {text}"
            );
        }
        for act in ["cấu hình lại", "khôi phục cài đặt", "đặt lại địa chỉ"] {
            assert!(!text.contains(act), "{path}: {text}");
        }
    }
    for (path, text) in all(Lang::En)
        .into_iter()
        .filter(|(path, _)| path.starts_with("code/"))
    {
        for act in ["dial", "change it", "change the password"] {
            assert!(
                !text.contains(act) || text.to_lowercase().contains("do not"),
                "{path}: {text}"
            );
        }
    }
}

#[test]
fn vietnamese_numbers_have_a_comma() {
    for (path, text) in all(Lang::Vi) {
        let chars: Vec<char> = text.chars().collect();
        let point = chars
            .windows(3)
            .any(|w| w[0].is_ascii_digit() && w[1] == '.' && w[2].is_ascii_digit());
        assert!(!point, "{path}: {text}");
    }
}
