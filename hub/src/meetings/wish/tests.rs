//! Tests of what `meeting add` accepts: values in, a meeting or a sentence out.

use proptest::prelude::*;

use super::*;
use crate::say::Exit;

/// 22/11/2026 09:00 in Việt Nam.
const NOW: i64 = 1_795_312_800_000;

/// 25/11/2026 08:00 in Việt Nam.
const START: i64 = 1_795_568_400_000;

fn wish() -> Wish {
    Wish {
        subject: "Giao ban tháng 11".into(),
        start: "2026-11-25T08:00".into(),
        length_min: 120,
        rooms: "bai-chay,hong-gai".into(),
        ..Wish::default()
    }
}

fn asked(wish: &Wish, taken: &[&str]) -> Result<Meeting, Trouble> {
    let rooms = ["bai-chay", "hong-gai", "cam-pha"]
        .map(|r| Name::new(r).unwrap())
        .into();
    wish.meeting(&Known {
        org: Name::new("quang-ninh").unwrap(),
        rooms: &rooms,
        now_ms: NOW,
        taken: &|id| taken.contains(&id.as_str()),
    })
}

#[test]
fn what_is_asked_for_is_what_is_kept() {
    let meeting = asked(
        &Wish {
            rehearsal: Some("2026-11-24T14:00".into()),
            chair: Some("hong-gai".into()),
            urgent: true,
            rate_kbps: Some(4096),
            slides: true,
            ..wish()
        },
        &[],
    )
    .unwrap();
    assert_eq!(
        (meeting.start_ms, meeting.end_ms()),
        (START, START + 120 * 60_000)
    );
    assert_eq!(meeting.rehearsal_ms, Some(START - 18 * 3_600_000));
    assert_eq!(meeting.id.as_str(), "m-2026-11-25-01");
    assert_eq!(meeting.rooms.as_ref().unwrap().len(), 2);
    assert_eq!(meeting.chair.as_ref().unwrap().as_str(), "hong-gai");
    assert_eq!(
        (
            meeting.urgent,
            meeting.slides,
            meeting.recording,
            meeting.rate_kbps
        ),
        (true, true, false, Some(4096))
    );
    assert_eq!((meeting.created_ms, meeting.cancelled_ms), (NOW, None));
    assert_eq!(
        asked(
            &Wish {
                rooms: "all".into(),
                ..wish()
            },
            &[]
        )
        .unwrap()
        .rooms,
        None
    );
}

#[test]
fn a_time_is_that_of_viet_nam_unless_it_says_another() {
    for start in [
        "2026-11-25T08:00",
        "2026-11-25T08:00:00",
        "2026-11-25 08:00",
        "2026-11-25T01:00:00Z",
        "2026-11-25T08:00:00+07:00",
        "2026-11-25T10:00+09:00",
    ] {
        let wish = Wish {
            start: start.into(),
            ..wish()
        };
        assert_eq!(asked(&wish, &[]).unwrap().start_ms, START, "{start}");
    }
    for start in [
        "2026-11-25",
        "08:00",
        "25/11/2026 08:00",
        "2026-13-01T08:00",
        "tomorrow",
        "",
    ] {
        let wish = Wish {
            start: start.into(),
            ..wish()
        };
        let trouble = asked(&wish, &[]).unwrap_err();
        assert_eq!(trouble.exit, Exit::Usage, "{start}");
        assert!(
            trouble.said.en.contains("2026-11-25T08:00"),
            "{}",
            trouble.said.en
        );
    }
}

#[test]
fn an_id_is_the_next_free_one_of_the_day_in_viet_nam() {
    let taken = ["m-2026-11-25-01", "m-2026-11-25-03"];
    assert_eq!(asked(&wish(), &taken).unwrap().id.as_str(), "m-2026-11-25-02");
    // 23:30 UTC on the 24th is the 25th already.
    let early = Wish {
        start: "2026-11-24T23:30:00Z".into(),
        ..wish()
    };
    assert_eq!(asked(&early, &[]).unwrap().id.as_str(), "m-2026-11-25-01");
    let named = Wish {
        id: Some("giao-ban-11".into()),
        ..wish()
    };
    assert_eq!(asked(&named, &taken).unwrap().id.as_str(), "giao-ban-11");
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let base = wish;
    let cases: [(Wish, &[&str], Exit, &str); 13] = [
        (
            Wish {
                rooms: "bai-chai".into(),
                ..base()
            },
            &[],
            Exit::No,
            "Did you mean bai-chay?",
        ),
        (
            Wish {
                rooms: " , ".into(),
                ..base()
            },
            &[],
            Exit::Usage,
            "--rooms all",
        ),
        (
            Wish {
                chair: Some("cam-pha".into()),
                ..base()
            },
            &[],
            Exit::Usage,
            "not among --rooms",
        ),
        (
            Wish {
                chair: Some("cam-pho".into()),
                rooms: "all".into(),
                ..base()
            },
            &[],
            Exit::No,
            "Did you mean cam-pha?",
        ),
        (
            Wish {
                start: "2026-11-22T08:59".into(),
                ..base()
            },
            &[],
            Exit::Usage,
            "is past (it is now 09:00 22/11/2026)",
        ),
        (
            Wish {
                start: "2028-11-25T08:00".into(),
                ..base()
            },
            &[],
            Exit::Usage,
            "366 days",
        ),
        (
            Wish {
                length_min: 0,
                ..base()
            },
            &[],
            Exit::Usage,
            "from 1 to 1440",
        ),
        (
            Wish {
                length_min: 1441,
                ..base()
            },
            &[],
            Exit::Usage,
            "from 1 to 1440",
        ),
        (
            Wish {
                rehearsal: Some("2026-11-25T08:00".into()),
                ..base()
            },
            &[],
            Exit::Usage,
            "not before the start",
        ),
        (
            Wish {
                rate_kbps: Some(1),
                ..base()
            },
            &[],
            Exit::Usage,
            "from 64 to 50000",
        ),
        (
            Wish {
                subject: " \n ".into(),
                ..base()
            },
            &[],
            Exit::Usage,
            "no subject",
        ),
        (
            Wish {
                id: Some("Giao ban".into()),
                ..base()
            },
            &[],
            Exit::Usage,
            "3 to 40",
        ),
        (
            Wish {
                id: Some("giao-ban".into()),
                ..base()
            },
            &["giao-ban"],
            Exit::No,
            "bridgepoint-hub meeting show giao-ban",
        ),
    ];
    for (wish, taken, exit, says) in cases {
        let trouble = asked(&wish, taken).unwrap_err();
        assert_eq!(trouble.exit, exit, "{}", trouble.said.en);
        assert!(trouble.said.en.contains(says), "{} / {says}", trouble.said.en);
        assert!(!trouble.said.vi.is_empty() && trouble.said.vi != trouble.said.en);
    }
}

#[test]
fn a_subject_is_made_fit_to_be_shown() {
    let odd = Wish {
        subject: "Giao\u{202E}ban\u{7}\n2".into(),
        ..wish()
    };
    assert_eq!(asked(&odd, &[]).unwrap().subject, "Giao\u{FFFD}ban\u{FFFD} 2");
}

proptest! {
    #[test]
    fn any_words_are_answered(
        start in "\\PC{0,30}|[0-9TZ:+ -]{0,30}",
        rooms in "\\PC{0,30}|[a-z,-]{0,30}",
        id in proptest::option::of("\\PC{0,50}"),
        length_min in any::<u32>(),
    ) {
        let wish = Wish { start, rooms, id, length_min, ..wish() };
        if let Err(trouble) = asked(&wish, &[]) {
            prop_assert!(!trouble.said.en.is_empty() && !trouble.said.vi.chars().any(char::is_control));
        }
    }
}
