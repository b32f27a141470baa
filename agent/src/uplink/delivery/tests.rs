//! Delivery over values: order, windows, pauses, refusals, and the search for an entry that breaks connections.

use super::*;

const STEP: Duration = Duration::from_millis(1);

fn start() -> Instant {
    crate::clock::instant()
}

/// Of a box whose enrolment was taken on this connection.
fn taken() -> Delivery {
    let mut delivery = Delivery::default();
    delivery.enrolling().taken();
    delivery
}

/// The outbox of these entries, as the logbook lists it: the live one (here 100), then from the oldest on.
const LIVE: u64 = 100;

fn due(delivery: &mut Delivery, entries: &BTreeSet<u64>, now: Instant) -> Vec<u64> {
    let live = entries.last().copied().filter(|last| *last >= LIVE);
    let others = entries.iter().copied().filter(|seq| Some(*seq) != live);
    let outbox = live.into_iter().chain(others);
    delivery.due(live, outbox, |seq| entries.contains(&seq), now)
}

fn send(delivery: &mut Delivery, entries: &BTreeSet<u64>, now: Instant) -> Vec<u64> {
    let due = due(delivery, entries, now);
    for seq in &due {
        delivery.sent(*seq, now);
    }
    due
}

#[test]
fn the_newest_goes_first_and_no_more_than_a_window() {
    let (mut delivery, now) = (Delivery::default(), start());
    let mut entries: BTreeSet<u64> = (1..=100).collect();
    let first = send(&mut delivery, &entries, now);
    assert_eq!(first, std::iter::once(100).chain(1..=15).collect::<Vec<_>>());
    assert!(due(&mut delivery, &entries, now).is_empty(), "the window is full");
    delivery.receipted(100);
    entries.remove(&100);
    assert_eq!(due(&mut delivery, &entries, now), [16], "then on from the oldest");
}

#[test]
fn what_gets_no_receipt_is_offered_again_later_and_later() {
    let (mut delivery, start) = (taken(), start());
    let entries = BTreeSet::from([1]);
    let mut now = start;
    let mut pauses = vec![];
    for _ in 0..6 {
        assert_eq!(send(&mut delivery, &entries, now), [1]);
        let mut pause = Duration::ZERO;
        while due(&mut delivery, &entries, now + pause).is_empty() {
            pause += delivery
                .next_due(now + pause, true)
                .min(Duration::from_secs(3600));
        }
        pauses.push(pause.as_secs());
        assert!(due(&mut delivery, &entries, now + pause - STEP).is_empty());
        now += pause;
    }
    assert_eq!(pauses, [30, 60, 120, 240, 300, 300]);
    delivery.connected();
    assert_eq!(
        due(&mut delivery, &entries, now),
        [1],
        "at once on a fresh connection"
    );
}

#[test]
fn entries_that_are_never_receipted_do_not_hold_up_the_others() {
    let (mut delivery, mut now) = (taken(), start());
    let mut entries: BTreeSet<u64> = (1..=100).collect();
    let never: BTreeSet<u64> = (1..=20).collect();
    let mut order = vec![];
    // An hour is enough: the first window waits 30 s, and once something is receipted the rest follows at once.
    let end = now + Duration::from_secs(3600);
    while now < end && entries != never {
        for seq in send(&mut delivery, &entries, now) {
            delivery.acknowledged(seq);
            if !never.contains(&seq) {
                delivery.receipted(seq);
                entries.remove(&seq);
                order.push(seq);
            }
        }
        now += delivery.next_due(now, true);
    }
    assert_eq!(entries, never);
    assert_eq!(order, std::iter::once(100).chain(21..=99).collect::<Vec<_>>());
}

#[test]
fn a_hub_that_hears_nothing_is_offered_less_and_less_but_the_newest_at_once() {
    let (mut delivery, began) = (taken(), start());
    let mut entries: BTreeSet<u64> = (1..=1000).collect();
    let (mut now, mut offers) = (began, 0);
    while now < began + Duration::from_secs(3600) {
        let sent = send(&mut delivery, &entries, now);
        sent.iter().for_each(|seq| delivery.acknowledged(*seq));
        offers += sent.len();
        now += delivery.next_due(now, true);
    }
    // A window at 0, 30, 90, 210, 450 s, then one in five minutes.
    assert!((WINDOW * 10..=WINDOW * 16).contains(&offers), "{offers}");
    entries.insert(1001);
    assert_eq!(
        send(&mut delivery, &entries, now).first(),
        Some(&1001),
        "a new entry is offered at once"
    );
}

#[test]
fn one_refused_entry_is_set_aside_and_the_others_go_on() {
    let (mut delivery, began) = (taken(), start());
    let mut entries: BTreeSet<u64> = (1..=40).collect();
    let (mut now, mut asked) = (began, vec![]);
    while now < began + Duration::from_secs(600) {
        for seq in send(&mut delivery, &entries, now) {
            if seq == 5 {
                delivery.refused(5, Why::Broker(135), now);
                asked.push((now - began).as_secs());
            } else {
                delivery.acknowledged(seq);
                delivery.receipted(seq);
                entries.remove(&seq);
            }
        }
        assert_eq!(delivery.set_aside(), Some((1, Why::Broker(135))));
        now += delivery.next_due(now, true);
    }
    assert_eq!(entries, BTreeSet::from([5]), "it is never given up");
    assert_eq!(asked, [0, 30, 90, 210, 450]);
    // The broker takes it at last.
    delivery.connected();
    assert_eq!(send(&mut delivery, &entries, now), [5]);
    delivery.acknowledged(5);
    assert_eq!(delivery.set_aside(), None);
}

#[test]
fn a_broker_that_refuses_everything_is_asked_one_at_a_time() {
    let (mut delivery, began) = (taken(), start());
    let entries: BTreeSet<u64> = (1..=5000).collect();
    let (mut now, mut asked) = (began, 0);
    while now < began + Duration::from_secs(3600) {
        for seq in send(&mut delivery, &entries, now) {
            delivery.refused(seq, Why::Broker(135), now);
            asked += 1;
        }
        now += delivery.next_due(now, true);
    }
    assert!((20..=60).contains(&asked), "{asked} in an hour");
}

/// A broker that breaks the connection whenever it is sent one of `poison`; it acknowledges in order.
fn deliver_through_a_broker_that_breaks(
    poison: &BTreeSet<u64>,
    blamed: Option<u8>,
) -> (BTreeSet<u64>, Vec<u64>, usize) {
    let (mut delivery, mut now) = (Delivery::default(), start());
    let mut entries: BTreeSet<u64> = (1..=60).collect();
    let (mut found, mut connections) = (vec![], 1);
    delivery.connected();
    let end = now + Duration::from_secs(120);
    while now < end {
        let sent = send(&mut delivery, &entries, now);
        // The state and the readiness go first.
        delivery.borne();
        let broken = sent.iter().position(|seq| poison.contains(seq));
        for seq in &sent[..broken.unwrap_or(sent.len())] {
            delivery.acknowledged(*seq);
            delivery.receipted(*seq);
            entries.remove(seq);
        }
        if broken.is_some() {
            found.extend(delivery.broke(blamed, now));
            now += Duration::from_secs(1);
            connections += 1;
            delivery.connected();
        } else if sent.is_empty() {
            delivery.enrolling().taken();
            now += delivery.next_due(now, true);
        }
    }
    (entries, found, connections)
}

#[test]
fn an_entry_that_breaks_connections_is_found_and_the_others_go_on() {
    for (poison, blamed) in [
        (BTreeSet::from([7]), None),
        (BTreeSet::from([7]), Some(149)),
        (BTreeSet::from([60]), None),
        (BTreeSet::from([3, 4, 31]), None),
        (BTreeSet::from([3, 4, 31]), Some(149)),
    ] {
        let (left, found, connections) = deliver_through_a_broker_that_breaks(&poison, blamed);
        assert_eq!(left, poison, "{blamed:?}: everything else is delivered");
        let found: BTreeSet<u64> = found.into_iter().collect();
        assert_eq!(found, poison, "{blamed:?}: it is found, and nothing innocent");
        assert!(connections <= 4 + 8 * poison.len(), "{connections}");
    }
}

#[test]
fn connections_that_break_for_other_reasons_set_nothing_aside() {
    let (mut delivery, mut now) = (Delivery::default(), start());
    let mut entries: BTreeSet<u64> = (1..=400).collect();
    // Each third connection bears a few entries, the others nothing; no entry is at fault.
    for connection in 0.. {
        if entries.is_empty() {
            break;
        }
        assert!(connection < 400, "{} are left", entries.len());
        delivery.connected();
        let mut bears = if connection % 3 == 0 { 5 } else { 0 };
        loop {
            let sent = send(&mut delivery, &entries, now);
            for seq in sent.iter().take(bears) {
                delivery.borne();
                delivery.acknowledged(*seq);
                delivery.receipted(*seq);
                entries.remove(seq);
            }
            if sent.len() >= bears {
                break;
            }
            bears -= sent.len();
        }
        assert_eq!(delivery.broke(None, now), None);
        now += Duration::from_secs(1);
    }
}

#[test]
fn an_enrolment_is_repeated_until_it_is_taken() {
    let (mut delivery, now) = (Delivery::default(), start());
    let seconds = Duration::from_secs;
    let enrolling = delivery.enrolling();
    assert!(enrolling.due(now));
    enrolling.sent(now, false);
    assert!(!enrolling.due(now + seconds(1)));
    assert!(enrolling.due(now + seconds(2)));
    enrolling.sent(now + seconds(2), false);
    assert!(!enrolling.due(now + seconds(5)));
    enrolling.again_after(now + seconds(3), Duration::ZERO);
    assert!(enrolling.due(now + seconds(3)), "the hub has shown its key");
    enrolling.sent(now + seconds(3), false);
    assert!(!enrolling.due(now + seconds(4)), "once");
    enrolling.taken();
    assert!(!enrolling.due(now + seconds(3000)));
    delivery.connected();
    assert!(delivery.enrolling().due(now), "and on each connection");
}

#[test]
fn an_approved_box_asks_less_and_less_often() {
    let (mut delivery, mut now) = (Delivery::default(), start());
    let began = now;
    let mut sent = 0;
    while now < began + Duration::from_secs(3600) {
        if delivery.enrolling().due(now) {
            delivery.enrolling().sent(now, true);
            sent += 1;
        }
        now += delivery.next_due(now, true);
    }
    assert!((15..=20).contains(&sent), "{sent} in an hour");
}

#[test]
fn two_hundred_boxes_do_not_come_back_in_one_moment() {
    assert_eq!(reconnect_after(0, 0), Duration::from_secs(1));
    assert_eq!(reconnect_after(4, 0), Duration::from_secs(8));
    assert_eq!(reconnect_after(50, 0), Duration::from_secs(150));
    assert!(reconnect_after(50, 999) < Duration::from_secs(300));
    assert!(reconnect_after(1, 999) > Duration::from_millis(1900));
    let mut tenths = [0; 10];
    for room in 0..200 {
        let chance = super::super::chance(&format!("quang-ninh/room-{room}"), 1, 0);
        let pause = reconnect_after(1, chance);
        tenths[usize::try_from((pause.as_millis() - 1000) / 100).unwrap()] += 1;
    }
    assert!(tenths.iter().all(|boxes| (5..=45).contains(boxes)), "{tenths:?}");
    // The same box in the same moment of a clock that stands: another pause for each attempt.
    let pauses: BTreeSet<u64> = (0..20)
        .map(|attempt| super::super::chance("a/b", attempt, 0))
        .collect();
    assert_eq!(pauses.len(), 20);
}
