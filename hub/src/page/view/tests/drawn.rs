//! Names stay texts, pages stay small. With `OUT_HTML` set to a directory the pages are left there to be looked at.

use std::sync::Arc;

use bridgepoint_protocol::text::Lang;
use proptest::prelude::*;

use super::fixtures::{NOW, detail, province, ready, seen, states, wrong};
use crate::board::Health;
use crate::fleet::{RoomState, Standing};
use crate::page::view::asked::Asked;
use crate::page::view::fleet::{LINES, fleet};
use crate::page::view::html;
use crate::page::view::room::room;
use crate::store::Count;

pub(super) fn leave(name: &str, text: &str) {
    if let Some(dir) = std::env::var_os("OUT_HTML") {
        std::fs::write(std::path::Path::new(&dir).join(format!("{name}.html")), text).unwrap();
    }
}

#[test]
fn pages_stay_small_and_ask_nothing_from_elsewhere() {
    let many = states((0..300).map(|n| {
        let code = [
            "line.loss",
            "mic.howl",
            "codec.not-registered",
            "power.runtime-short",
        ][n % 4];
        wrong(
            &format!("quang-ninh/phuong-{n:03}"),
            &format!("Khu vực {n}"),
            code,
        )
    }));
    let good = states((0..189).map(|n| ready(&format!("quang-ninh/xa-{n:03}"))));
    for lang in Lang::ALL {
        let view = |all: &[RoomState]| fleet(Asked::default(), lang, all, &Health::default(), NOW);
        let pages = [
            (
                "fleet-broken",
                html::fleet(&view(&province()), "0123456789abcdef"),
            ),
            ("fleet-healthy", html::fleet(&view(&good), "0123456789abcdef")),
            ("fleet-many", html::fleet(&view(&many), "0123456789abcdef")),
            ("fleet-none", html::fleet(&view(&[]), "0123456789abcdef")),
            (
                "room",
                html::room(
                    &room(&detail("UBND phường Bãi Cháy"), lang, NOW),
                    &Asked::default(),
                    "0123456789abcdef",
                ),
            ),
        ];
        for (name, text) in pages {
            assert!(text.len() < 60_000, "{name}: {} bytes", text.len());
            for foreign in [
                "http://", "https://", "<img", "<link", "url(", "style=", "onclick",
            ] {
                assert!(!text.contains(foreign), "{name}: {foreign}");
            }
            let ids: Vec<&str> = text
                .split(" id=\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .collect();
            let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
            assert_eq!(ids.len(), distinct.len(), "{name}: an id stands once");
            leave(&format!("{name}-{}", lang.word()), &text);
        }
    }
}

proptest! {
    #[test]
    fn any_name_stays_text(text in "<script>|\"'><img src=x>|\\PC{0,60}|.{0,60}", key in ".{0,40}") {
        let mut all: Vec<Standing> = (0..4).map(|n| wrong(&format!("abc/room-{n}"), &text, "line.hub-down")).collect();
        for standing in &mut all {
            standing.name.clone_from(&text);
            standing.contacts[0].name = Some(text.clone());
            standing.contacts[0].phone = Some(text.clone());
            standing.fingerprint = Some(text.clone());
        }
        all.push(Standing { area: None, ..all[0].clone() });
        let mut odd = detail(&text);
        Arc::get_mut(&mut odd.state.standing).unwrap().refused.insert(text.clone(), Count { n: 1, last_ms: 0 });
        odd.history[0].trigger.clone_from(&text);
        odd.history[0].checkpoint = Some(text.clone());
        odd.history[0].scope = Some(vec![text.clone()]);
        let asked = Asked {
            q: Some(key.clone()),
            view: Some(String::new()),
            page: Some(key.clone()),
            lang: Some(key),
            ..Asked::default()
        }
        .understood();
        let none = Asked { q: None, ..asked.clone() };
        for text in [
            html::fleet(&seen(asked, &states(all.clone())), "n"),
            html::fleet(&seen(none.clone(), &states(all)), "n"),
            html::room(&room(&odd, Lang::Vi, NOW), &none, "n"),
        ] {
            prop_assert_eq!(text.matches("<script").count(), 1);
            prop_assert_eq!(text.matches("<img").count(), 0);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn any_question_has_an_answer(
        view in ".{0,20}|ready|,",
        cause in proptest::option::of(".{0,20}"),
        page in ".{0,10}",
        area in proptest::option::of(".{0,10}"),
    ) {
        let asked = Asked { area, view: Some(view), cause, page: Some(page), ..Asked::default() };
        let view = seen(asked, &province());
        prop_assert!(view.page >= 1 && view.page <= view.pages && view.lines.len() <= LINES);
    }
}
