//! Tests of the figures against lines whose every deed is known.

use proptest::prelude::*;

use super::super::pair::{Line, PACKET, Pair, counts};
use super::*;

const MS: u64 = 1_000_000;

/// A test over a line, from hello to summary.
fn over(seed: u64, line: Line, packets: u32) -> Pair {
    over_at(seed, line, packets, 4096)
}

fn over_at(seed: u64, line: Line, packets: u32, kbps: u32) -> Pair {
    let mut pair = Pair::new(seed, line, kbps);
    pair.handshake(10_000);
    pair.test(packets);
    pair
}

#[track_caller]
fn close(a: f64, b: f64, share: f64) {
    assert!((a - b).abs() <= b.abs() * share, "{a} is not {b}");
}

#[test]
fn a_line_that_does_nothing() {
    let pair = over(1, Line::default(), 1000);
    let summary = pair.summary().unwrap();
    let figures = figures(&pair.trial(Some(&summary)));
    assert_eq!(
        (figures.sent, figures.received, figures.replied, figures.back),
        (1000, Some(1000), Some(1000), 1000)
    );
    for way in [&figures.up, &figures.down] {
        let loss = way.loss.unwrap();
        assert_eq!((loss.lost, loss.of, loss.low, loss.exact), (0, 1000, 0.0, true));
        assert!(loss.high < 0.004);
        close(way.offered_kbps.unwrap(), 4096.0, 1e-6);
        close(way.delivered_kbps.unwrap(), 4096.0, 1e-6);
        let jitter = way.jitter.unwrap();
        assert_eq!(
            (jitter.mean_ms, jitter.rfc3550_ms, jitter.pdv_p99_ms),
            (0.0, 0.0, 0.0)
        );
        assert_eq!((way.reordered, way.duplicates), (Some(0), Some(0)));
    }
    let trip = figures.round_trip.unwrap();
    close(trip.min_ms, 20.0, 1e-9);
    close(trip.p95_ms, 20.0, 1e-9);
    assert!(!figures.sender_slow);
    close(figures.gap_ms, 2.343_75, 1e-9);
    assert_eq!((figures.over_grant, figures.nonsense), (0, 0));
}

#[test]
fn a_narrow_line_shows_its_width() {
    let line = Line {
        narrow_up: Some(2000.0),
        ..Line::default()
    };
    let pair = over(1, line, 3000);
    let figures_up = figures(&pair.trial(pair.summary().as_ref()));
    close(figures_up.up.delivered_kbps.unwrap(), 2000.0, 0.03);
    close(figures_up.up.loss.unwrap().share, 0.5, 0.05);
    assert_eq!(
        figures_up.down.loss.unwrap().lost,
        0,
        "the other direction is not to blame"
    );
    let line = Line {
        narrow_down: Some(3000.0),
        ..Line::default()
    };
    let pair = over(1, line, 3000);
    let figures = figures(&pair.trial(pair.summary().as_ref()));
    close(figures.up.delivered_kbps.unwrap(), 4096.0, 1e-3);
    close(figures.down.offered_kbps.unwrap(), 4096.0, 1e-3);
    close(figures.down.delivered_kbps.unwrap(), 3000.0, 0.03);
    assert!(
        figures.down.jitter.unwrap().pdv_p95_ms > 50.0,
        "the queue is full"
    );
}

#[test]
fn nothing_is_known_is_not_nothing_is_lost() {
    let mut pair = over(
        1,
        Line {
            dead_after_ms: Some(0),
            ..Line::default()
        },
        100,
    );
    assert_eq!(pair.summary(), None);
    let dead = figures(&pair.trial(None));
    assert_eq!((dead.sent, dead.back, dead.received), (100, 0, None));
    for way in [&dead.up, &dead.down] {
        assert_eq!((way.loss, way.delivered_kbps, way.jitter), (None, None, None));
    }
    assert_eq!(dead.round_trip, None);
    let all_lost = figures(&pair.trial(Some(&Summary::default())));
    let loss = all_lost.up.loss.unwrap();
    assert_eq!((loss.lost, loss.of, loss.share, loss.high), (100, 100, 1.0, 1.0));
    assert_eq!(all_lost.up.delivered_kbps, Some(0.0));
    assert_eq!(
        (all_lost.down.loss, all_lost.down.delivered_kbps),
        (None, None),
        "it was offered nothing"
    );
    pair.sent.clear();
    let none = figures(&pair.trial(None));
    assert!(none.sent == 0 && none.sender_slow && none.up.loss.is_none());
}

/// The line dies after a second of three: without a summary the rest may be lost here or there.
#[test]
fn a_line_that_dies_in_the_middle() {
    let line = Line {
        dead_after_ms: Some(1000),
        ..Line::default()
    };
    let pair = over(1, line, 1280);
    let cut = figures(&pair.trial(None));
    let up = cut.up.loss.unwrap();
    assert!(!up.exact && up.low < 0.01 && up.high > 0.6, "{up:?}");
    assert_eq!(cut.up.delivered_kbps, None);
    // The summary comes after all: the trailing loss is the up direction's.
    let got = counts(&pair.truth.up).0;
    let last_ns = pair.back.iter().map(|back| back.reflector_rx_ns).max().unwrap();
    let summary = Summary {
        received: got,
        replied: pair.truth.replies,
        highest: got - 1,
        bytes: u64::from(got) * PACKET as u64,
        first_ns: pair.back[0].reflector_rx_ns,
        last_ns,
        ..Summary::default()
    };
    let told = figures(&pair.trial(Some(&summary)));
    let up = told.up.loss.unwrap();
    assert_eq!((up.lost, up.exact), (1280 - got, true));
    close(told.up.delivered_kbps.unwrap(), 4096.0 / 3.0, 0.02);
}

#[test]
fn a_slow_box_is_not_a_slow_line() {
    let mut pair = over(1, Line::default(), 1000);
    let summary = pair.summary();
    pair.kbps = 4400;
    let figures_slow = figures(&pair.trial(summary.as_ref()));
    assert!(figures_slow.sender_slow, "93 % of what was wanted");
    pair.kbps = 4300;
    assert!(!figures(&pair.trial(summary.as_ref())).sender_slow);
    // A pause of 101 ms that is made good afterwards.
    for sent in &mut pair.sent[400..450] {
        sent.sent_ns += 101 * MS;
    }
    pair.back.retain(|back| !(400..450).contains(&back.seq));
    let paused = figures(&pair.trial(None));
    assert!(paused.sender_slow && paused.gap_ms > 100.0);
}

#[test]
fn answers_that_cannot_be_true_are_left_out() {
    let mut pair = over(1, Line::default(), 10);
    let good = pair.back[5];
    pair.back.extend([
        Back {
            seq: 10,
            reflector_seq: 10,
            ..good
        },
        Back {
            reflector_seq: 11,
            reflector_tx_ns: good.reflector_rx_ns - 1,
            ..good
        },
        Back {
            reflector_seq: 12,
            reflector_tx_ns: u64::MAX,
            ..good
        },
        Back {
            reflector_seq: 13,
            arrived_ns: 0,
            ..good
        },
        // A number that another packet's answer has.
        Back {
            seq: 6,
            arrived_ns: good.arrived_ns + 50 * MS,
            ..good
        },
    ]);
    let figures_all = figures(&pair.trial(None));
    assert_eq!((figures_all.nonsense, figures_all.back), (5, 10));
    close(figures_all.round_trip.unwrap().p95_ms, 20.0, 1e-9);
    pair.back.push(Back {
        reflector_seq: 99,
        ..good
    });
    assert_eq!(
        figures(&pair.trial(pair.summary().as_ref())).nonsense,
        6,
        "more than the reflector has sent"
    );
}

/// Without a summary nothing says which numbers there are: two answers may lie all of them apart.
#[test]
fn answers_numbered_over_the_whole_range() {
    let mut pair = over(1, Line::default(), 10);
    pair.back.truncate(2);
    pair.back[0].reflector_seq = 0;
    pair.back[1].reflector_seq = u32::MAX;
    let figures = figures(&pair.trial(None));
    assert_eq!(figures.back, 2);
    let rate = figures.down.delivered_kbps.unwrap_or(0.0);
    assert!(rate.is_finite() && rate >= 0.0, "{rate}");
}

#[test]
fn a_summary_cannot_count_more_than_was_sent() {
    let pair = over(1, Line::default(), 10);
    let said = Summary {
        received: 5000,
        duplicates: 3,
        replied: 10,
        highest: 9,
        bytes: 5000,
        ..Summary::default()
    };
    let more = figures(&pair.trial(Some(&said)));
    assert_eq!((more.received, more.up.loss.unwrap().lost), (Some(10), 0));
    let said = Summary {
        received: 4,
        duplicates: 9,
        replied: 9,
        ..Summary::default()
    };
    let less = figures(&pair.trial(Some(&said)));
    assert_eq!(
        (less.received, less.replied, less.up.duplicates),
        (Some(0), Some(4), Some(4))
    );
}

/// A copy that the line makes later says nothing about how evenly it delivers.
#[test]
fn a_copy_is_no_jitter() {
    let mut pair = over(1, Line::default(), 10);
    let first = pair.back[4];
    pair.back.push(Back {
        reflector_seq: 10,
        reflector_rx_ns: first.reflector_rx_ns + 80 * MS,
        reflector_tx_ns: first.reflector_tx_ns + 80 * MS,
        arrived_ns: first.arrived_ns + 80 * MS,
        ..first
    });
    let figures = figures(&pair.trial(None));
    let jitter = figures.up.jitter.unwrap();
    assert_eq!((jitter.mean_ms, jitter.pdv_p99_ms), (0.0, 0.0));
    assert_eq!(figures.back, 11);
}

/// One copy that comes two seconds late, either way, makes no line slow.
#[test]
fn a_copy_does_not_lower_the_rate() {
    let mut pair = over(1, Line::default(), 1000);
    let summary = pair.summary().unwrap();
    let first = pair.back[500];
    pair.back.push(Back {
        reflector_seq: 1000,
        reflector_rx_ns: first.reflector_rx_ns + 2000 * MS,
        reflector_tx_ns: first.reflector_tx_ns + 2000 * MS,
        arrived_ns: first.arrived_ns + 2000 * MS,
        ..first
    });
    pair.back.push(Back {
        arrived_ns: first.arrived_ns + 2000 * MS,
        ..first
    });
    let summary = Summary {
        received: 1001,
        duplicates: 1,
        replied: 1001,
        bytes: summary.bytes + PACKET as u64,
        ..summary
    };
    let figures = figures(&pair.trial(Some(&summary)));
    assert_eq!(figures.nonsense, 0);
    close(figures.up.delivered_kbps.unwrap(), 4096.0, 0.01);
    close(figures.down.delivered_kbps.unwrap(), 4096.0, 0.01);
}

/// The reflector has answered everything, and nothing has come.
#[test]
fn a_dead_way_back_was_offered_what_was_answered() {
    let mut pair = over(1, Line::default(), 1000);
    let summary = pair.summary();
    pair.back.clear();
    let down = figures(&pair.trial(summary.as_ref())).down;
    close(down.offered_kbps.unwrap(), 4096.0, 0.01);
    assert_eq!(down.delivered_kbps, Some(0.0));
    assert_eq!(down.loss.map(|loss| (loss.lost, loss.of)), Some((1000, 1000)));
}

/// Of 200 lines about 190 must lie in an interval that says 95 of 100. The seeds are always the same.
#[test]
fn the_interval_holds_the_lines_loss() {
    let (mut up, mut down) = (0, 0);
    for seed in 0..200 {
        let line = Line {
            loss_up: 0.02,
            loss_down: 0.005,
            ..Line::default()
        };
        let pair = over(seed, line, 1000);
        let figures = figures(&pair.trial(pair.summary().as_ref()));
        let holds = |way: &Way, truth: f64| {
            let loss = way.loss.unwrap();
            u32::from(loss.low <= truth && truth <= loss.high)
        };
        up += holds(&figures.up, 0.02);
        down += holds(&figures.down, 0.005);
    }
    assert!(up >= 180 && down >= 180, "{up} {down}");
}

prop_compose! {
    fn any_line()(
        loss_up in 0.0..0.3_f64,
        loss_down in 0.0..0.3_f64,
        copies in prop_oneof![Just(0.0), 0.0..0.1_f64],
        delay_ms in 0.0..100.0_f64,
        jitter_ms in prop_oneof![Just(0.0), 0.0..40.0_f64],
        offset_ns in prop_oneof![Just(0), 0_u64..1 << 60],
        dwell_ns in 0_u64..5 * MS,
    ) -> Line {
        Line { loss_up, loss_down, copies, delay_ms, jitter_ms, offset_ns, dwell_ns, ..Line::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_count_is_the_truth(seed: u64, line in any_line()) {
        let mut pair = Pair::new(seed, line, 4096);
        pair.handshake(10_000);
        prop_assume!(matches!(pair.client.state(), super::super::client::State::Granted(_)));
        pair.test(400);
        let (arrived, up_copies, up_late) = counts(&pair.truth.up);
        let (came_back, down_copies, down_late) = counts(&pair.truth.down);

        let Some(summary) = pair.summary() else {
            // Every CLOSE or its answer was lost: what is told must still hold the truth.
            return Ok(());
        };
        let f = figures(&pair.trial(Some(&summary)));
        prop_assert_eq!((f.sent, f.received, f.replied, f.back), (400, Some(arrived), Some(pair.truth.replies), came_back));
        prop_assert_eq!(f.up.loss.map(|l| (l.lost, l.of, l.exact)), Some((400 - arrived, 400, true)));
        prop_assert_eq!(f.down.loss.map(|l| (l.lost, l.of)), Some((pair.truth.replies - came_back, pair.truth.replies)));
        prop_assert_eq!((f.up.duplicates, f.up.reordered), (Some(up_copies), Some(up_late)));
        prop_assert_eq!((f.down.duplicates, f.down.reordered), (Some(down_copies), Some(down_late)));
        prop_assert_eq!((f.nonsense, f.over_grant, f.sender_slow), (0, 0, false));

        let trip = f.round_trip.unwrap();
        prop_assert!(trip.min_ms >= 2.0 * line.delay_ms - 1e-4, "{:?}", trip);
        prop_assert!(trip.p95_ms <= 2.0 * (line.delay_ms + line.jitter_ms) + 1e-4, "{:?}", trip);
        for way in [&f.up, &f.down] {
            let jitter = way.jitter.unwrap();
            prop_assert!(jitter.pdv_p50_ms <= jitter.pdv_p95_ms && jitter.pdv_p95_ms <= jitter.pdv_p99_ms);
            prop_assert!(jitter.pdv_p99_ms <= line.jitter_ms + 1e-4 && jitter.mean_ms <= line.jitter_ms + 1e-4);
            let delivered = way.delivered_kbps.unwrap();
            prop_assert!(delivered <= way.offered_kbps.unwrap() * 1.001, "{:?}", way);
        }
        // Jitter and copies at the ends make the span longer by no more than this.
        let expected = 4096.0 * f64::from(arrived) / 400.0;
        prop_assert!((f.up.delivered_kbps.unwrap() - expected).abs() <= 0.1 * expected, "{:?} {}", f.up, expected);

        // Another clock at the other end changes nothing.
        let mut moved = summary;
        moved.first_ns += 7;
        moved.last_ns += 7;
        for back in &mut pair.back {
            back.reflector_rx_ns += 7;
            back.reflector_tx_ns += 7;
        }
        pair.back.reverse();
        prop_assert_eq!(figures(&pair.trial(Some(&moved))), f);
    }

    /// Without the summary what is said is a range, and the truth is in it.
    #[test]
    fn without_a_summary_the_truth_is_in_the_range(seed: u64, line in any_line(), dead in prop::option::of(0_u64..1000)) {
        let mut pair = Pair::new(seed, Line { dead_after_ms: dead, ..line }, 4096);
        pair.handshake(10_000);
        prop_assume!(matches!(pair.client.state(), super::super::client::State::Granted(_)));
        pair.test(400);
        let arrived = counts(&pair.truth.up).0;
        let came_back = counts(&pair.truth.down).0;
        let f = figures(&pair.trial(None));
        prop_assert_eq!((f.received, f.replied, f.up.duplicates, f.up.delivered_kbps), (None, None, None, None));
        if let Some(loss) = f.up.loss {
            let truth = f64::from(400 - arrived) / 400.0;
            prop_assert!(loss.low <= truth && truth <= loss.high, "{truth} {loss:?}");
            prop_assert!(loss.share <= truth + 1e-12);
        }
        if let Some(loss) = f.down.loss {
            let truth = f64::from(pair.truth.replies - came_back) / f64::from(pair.truth.replies);
            prop_assert!(loss.low <= truth && truth <= loss.high, "{truth} {loss:?}");
        }
        prop_assert_eq!(f.up.loss.is_none(), came_back == 0);
    }

    /// Whatever another machine says: no panic, and shares stay shares.
    #[test]
    fn any_records(
        sent in prop::collection::vec((any::<u32>(), any::<u64>(), any::<u32>()), 0..20),
        back in prop::collection::vec((0_usize..20, any::<u32>(), any::<[u64; 3]>()), 0..40),
        n: [u32; 6], l: [u64; 3], with_summary: bool, wanted_kbps: u32,
    ) {
        let sent: Vec<Sent> = sent.into_iter().map(|(seq, sent_ns, bytes)| Sent { seq, sent_ns, bytes }).collect();
        let back: Vec<Back> = back.into_iter().map(|(of, reflector_seq, [rx, tx, arrived_ns])| Back {
            seq: sent.get(of).map_or(7, |sent| sent.seq),
            reflector_seq,
            reflector_rx_ns: rx,
            reflector_tx_ns: tx,
            arrived_ns,
        }).collect();
        let [received, duplicates, reordered, replied, over_grant, highest] = n;
        let [bytes, first_ns, last_ns] = l;
        let summary = Summary { received, duplicates, reordered, replied, over_grant, highest, bytes, first_ns, last_ns };
        let trial = Trial {
            sent: &sent,
            back: &back,
            summary: Some(&summary).filter(|_| with_summary),
            wanted_kbps,
            overhead: 28,
            longest_gap_ms: 100.0,
        };
        let f = figures(&trial);
        for loss in [f.up.loss, f.down.loss].into_iter().flatten() {
            prop_assert!(0.0 <= loss.low && loss.low <= loss.share && loss.share <= loss.high && loss.high <= 1.0, "{loss:?}");
        }
        for rate in [f.up.offered_kbps, f.up.delivered_kbps, f.down.offered_kbps, f.down.delivered_kbps].into_iter().flatten() {
            prop_assert!(rate.is_finite() && rate >= 0.0);
        }
        let text = serde_json::to_string(&f).unwrap();
        let read: Figures = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read.sent, f.sent);
    }
}
