//! The meeting's clock: on time, late, moved, cancelled, with restarts and with clocks that step.

use std::sync::LazyLock;

use bridgepoint_protocol::claims::Meeting;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const MIN: i64 = 60_000;
const HOUR: i64 = 60 * MIN;
const DAY: i64 = 24 * HOUR;

/// 25/11/2026 08:00 in Việt Nam.
const START: i64 = 1_795_568_400_000;

fn profile() -> Profile {
    // Read once: the stories below look at it thousands of times.
    static READ: LazyLock<Profile> = LazyLock::new(|| Profile::built_in("quang-ninh").unwrap());
    READ.clone()
}

fn meeting(id: &str, start_ms: i64) -> Meeting {
    serde_json::from_value(json!({
        "id": id, "subject": "Giao ban", "start_ms": start_ms, "length_min": 120, "kind": "planned"
    }))
    .unwrap()
}

fn made(meeting: &str, checkpoint: &str, at_ms: i64) -> Made {
    Made {
        meeting: meeting.into(),
        checkpoint: checkpoint.into(),
        at_ms,
    }
}

fn look_at(meetings: &[Meeting], made: &[Made], now_ms: i64) -> Look {
    look(&Seen {
        meetings,
        profile: &profile(),
        made,
        up_since_ms: START - 30 * DAY,
        since_boot_ms: DAY.unsigned_abs(),
        now_ms,
    })
}

fn due(meetings: &[Meeting], made: &[Made], now_ms: i64) -> Option<(String, String)> {
    look_at(meetings, made, now_ms)
        .due
        .map(|due| (due.checkpoint.meeting, due.checkpoint.name))
}

fn is(meeting: &str, checkpoint: &str) -> Option<(String, String)> {
    Some((meeting.into(), checkpoint.into()))
}

#[test]
fn each_checkpoint_is_due_from_its_moment_once() {
    let meetings = [meeting("m-1", START)];
    assert_eq!(due(&meetings, &[], START - DAY - 1), None);
    assert_eq!(due(&meetings, &[], START - DAY), is("m-1", "T-1d"));
    let mut runs = vec![made("m-1", "T-1d", START - DAY + 40_000)];
    assert_eq!(due(&meetings, &runs, START - DAY + MIN), None);
    assert_eq!(due(&meetings, &runs, START - 90 * MIN - 1), None);
    assert_eq!(due(&meetings, &runs, START - 90 * MIN), is("m-1", "T-90"));
    runs.push(made("m-1", "T-90", START - 90 * MIN));
    assert_eq!(due(&meetings, &runs, START - 89 * MIN), None);
    assert_eq!(due(&meetings, &runs, START - 20 * MIN), is("m-1", "T-20"));
    assert_eq!(due(&meetings, &runs, START - 1), is("m-1", "T-20"));
    assert_eq!(due(&meetings, &runs, START), None, "the meeting has begun");
}

#[test]
fn a_late_boot_makes_the_latest_missed_one_and_says_so() {
    let meetings = [meeting("m-1", START)];
    let now_ms = START - 40 * MIN;
    let late = look(&Seen {
        up_since_ms: now_ms - 3 * MIN,
        since_boot_ms: (3 * MIN).unsigned_abs(),
        meetings: &meetings,
        profile: &profile(),
        made: &[],
        now_ms,
    });
    let late = late.due.unwrap();
    assert_eq!(
        (late.kind, late.checkpoint.name.as_str()),
        (TriggerKind::Boot, "T-90")
    );
    let on_time = look_at(&meetings, &[], now_ms).due.unwrap();
    assert_eq!(on_time.kind, TriggerKind::Schedule);
    // The one of the day before is not made up.
    assert_eq!(due(&meetings, &[made("m-1", "T-90", now_ms)], now_ms), None);
}

#[test]
fn what_a_late_boot_has_missed_waits_until_the_devices_are_up() {
    let meetings = [meeting("m-1", START)];
    // The machine and the program start here; what is looked at `after_ms` later.
    let look_after = |booted_ms: i64, after_ms: i64| {
        look(&Seen {
            up_since_ms: booted_ms + 20_000.min(after_ms),
            since_boot_ms: after_ms.unsigned_abs(),
            meetings: &meetings,
            profile: &profile(),
            made: &[],
            now_ms: booted_ms + after_ms,
        })
    };
    let booted_ms = START - 50 * MIN;
    for after_ms in [20_000, MIN, 3 * MIN - 1] {
        let waits = look_after(booted_ms, after_ms);
        assert_eq!(waits.due, None, "{after_ms}");
        assert_eq!(
            waits.next_ms,
            Some(booted_ms + 3 * MIN),
            "and it looks again then"
        );
    }
    let due = |look: Look| look.due.map(|due| (due.kind, due.checkpoint.name));
    assert_eq!(
        due(look_after(booted_ms, 3 * MIN)),
        Some((TriggerKind::Boot, "T-90".into()))
    );
    // With the start near there is no time for that.
    let pressing_ms = START - 10 * MIN;
    let near = look_after(pressing_ms - 40_000, 30_000);
    assert_eq!((near.due, near.next_ms), (None, Some(pressing_ms)));
    for booted_ms in [pressing_ms, pressing_ms - 20_000, START - MIN] {
        assert_eq!(
            due(look_after(booted_ms, 20_000)),
            Some((TriggerKind::Boot, "T-20".into()))
        );
    }
    // What comes in time is made in time: the regulation asks for it then.
    assert_eq!(
        due(look_after(START - 90 * MIN - 30_000, 30_000)),
        Some((TriggerKind::Schedule, "T-90".into()))
    );
}

#[test]
fn a_missed_checkpoint_is_made_up_only_while_it_tells_more_than_the_next_one() {
    let meetings = [meeting("m-1", START)];
    // T-1d lies 1350 minutes before T-90, T-90 lies 70 minutes before T-20: four fifths are 1080 and 56.
    for (before_min, expected) in [
        (24 * 60 - 1080 + 1, is("m-1", "T-1d")),
        (24 * 60 - 1080, None),
        (3 * 60, None),
        (91, None),
        (90, is("m-1", "T-90")),
        (50, is("m-1", "T-90")),
        (35, is("m-1", "T-90")),
        (34, None),
        (21, None),
        (20, is("m-1", "T-20")),
        (1, is("m-1", "T-20")),
    ] {
        assert_eq!(
            due(&meetings, &[], START - before_min * MIN),
            expected,
            "{before_min} minutes before"
        );
    }
    let urgent = [Meeting {
        kind: MeetingKind::Urgent.into(),
        ..meeting("m-1", START)
    }];
    for (before_min, checkpoint) in [(3 * 60, "T-1d"), (91, "T-1d"), (34, "T-90"), (1, "T-20")] {
        assert_eq!(
            due(&urgent, &[], START - before_min * MIN),
            is("m-1", checkpoint),
            "{before_min} minutes before"
        );
    }
}

#[test]
fn a_meeting_that_is_called_at_short_notice_is_checked_at_once() {
    // R7: an hour's notice.
    let meetings = [meeting("m-1", START)];
    assert_eq!(due(&meetings, &[], START - HOUR), is("m-1", "T-90"));
}

#[test]
fn two_meetings_at_once_are_one_run_for_the_nearer() {
    let meetings = [meeting("far", START + 30 * MIN), meeting("near", START)];
    let now_ms = START - 20 * MIN;
    let both = look_at(&meetings, &[], now_ms).due.unwrap();
    assert_eq!(
        (both.checkpoint.meeting.as_str(), both.checkpoint.name.as_str()),
        ("near", "T-20")
    );
    let also: Vec<_> = both
        .also
        .iter()
        .map(|c| (c.meeting.as_str(), c.name.as_str()))
        .collect();
    assert_eq!(also, [("far", "T-90")]);
    // Back to back, each has its own time.
    let runs = [made("near", "T-20", now_ms), made("far", "T-90", now_ms)];
    assert_eq!(due(&meetings, &runs, START + 10 * MIN), is("far", "T-20"));
}

#[test]
fn a_meeting_that_was_moved_is_checked_for_its_new_time() {
    let runs = [
        made("m-1", "T-1d", START - DAY),
        made("m-1", "T-90", START - 90 * MIN),
    ];
    let later = [meeting("m-1", START + 6 * HOUR)];
    assert_eq!(due(&later, &runs, START + 4 * HOUR), None);
    assert_eq!(due(&later, &runs, START + 5 * HOUR), is("m-1", "T-90"));
    // The trial of the day before is not made up: the room was checked since.
    assert_eq!(due(&later, &runs[1..], START + 4 * HOUR), None);
    assert_eq!(due(&later, &runs[1..], START - 4 * HOUR), None);
    assert_eq!(due(&later, &runs[..1], START - 4 * HOUR), is("m-1", "T-1d"));
    // Brought forward a little: what was just made stands.
    let sooner = [meeting("m-1", START - 10 * MIN)];
    assert_eq!(due(&sooner, &runs, START - 80 * MIN), None);
    assert_eq!(due(&[], &runs, START - 20 * MIN), None, "cancelled");
}

#[test]
fn the_next_look_is_at_the_next_change() {
    let meetings = [meeting("m-1", START)];
    let next = |now_ms| look_at(&meetings, &[], now_ms).next_ms;
    for (now_ms, at_ms) in [
        (START - 2 * DAY, START - DAY),
        (START - DAY, START - 105 * MIN),
        (START - 105 * MIN, START - 90 * MIN),
        (START - 90 * MIN, START - 20 * MIN),
        (START - 20 * MIN, START),
        (START, START + 120 * MIN),
    ] {
        assert_eq!(next(now_ms), Some(at_ms));
    }
    assert_eq!(next(START + 120 * MIN), None);
    let check = |now_ms| look_at(&meetings, &[], now_ms).next_check_ms;
    assert_eq!(check(START - 105 * MIN), Some(START - 90 * MIN));
    assert_eq!(check(START - 20 * MIN), None);
    // No check any more, and a meeting all the same, until it is over.
    let planned = |now_ms| look_at(&meetings, &[], now_ms).planned;
    assert!(planned(START - 20 * MIN) && planned(START + 119 * MIN));
    assert!(!planned(START + 120 * MIN));
}

#[test]
fn the_box_is_awake_in_a_meetings_hours() {
    let meetings = [meeting("m-1", START), meeting("m-2", START + DAY)];
    for (now_ms, awake) in [
        (START - DAY, false),
        (START - 105 * MIN - 1, false),
        (START - 105 * MIN, true),
        (START + 120 * MIN - 1, true),
        (START + 120 * MIN, false),
        (START + DAY, true),
    ] {
        assert_eq!(look_at(&meetings, &[], now_ms).awake, awake, "{}", now_ms - START);
    }
}

#[test]
fn a_check_by_hand_is_for_the_only_meeting_of_the_hour() {
    let profile = profile();
    let of = |meetings: &[Meeting], now_ms| {
        meeting_of_the_hour(meetings, &profile, now_ms).map(|meeting| meeting.id.clone())
    };
    let one = [meeting("m-1", START)];
    assert_eq!(of(&one, START - 2 * HOUR), None);
    assert_eq!(of(&one, START - HOUR), Some("m-1".into()));
    let two = [meeting("m-1", START), meeting("m-2", START + HOUR)];
    assert_eq!(of(&two, START - HOUR), Some("m-1".into()));
    assert_eq!(of(&two, START), None, "which of the two was not said");
}

#[test]
fn a_result_stands_until_the_next_checkpoint_or_the_profiles_time() {
    let (meetings, profile) = ([meeting("m-1", START)], profile());
    let until = |at_ms| valid_until(&meetings, &profile, at_ms);
    assert_eq!(until(START - 2 * HOUR), START - 90 * MIN);
    assert_eq!(until(START - 90 * MIN + 1), START - 20 * MIN);
    assert_eq!(until(START - 19 * MIN), START + 101 * MIN);
    assert_eq!(until(START - 4 * HOUR), START - 2 * HOUR);
    assert_eq!(valid_until(&[], &profile, START), START + 2 * HOUR);
    let deadline = |after_ms| deadline_after(&meetings, &profile, after_ms);
    assert_eq!(deadline(START - 80 * MIN), Some(START - 20 * MIN));
    assert_eq!(deadline(START - 10 * MIN), Some(START));
    assert_eq!(deadline(START), None);
}

#[test]
fn the_next_meeting_is_the_one_that_is_on_then_the_nearest() {
    let meetings = [meeting("m-2", START + DAY), meeting("m-1", START)];
    let next = |now_ms| next_meeting(&meetings, now_ms).map(|meeting| meeting.id.as_str());
    assert_eq!(next(START - HOUR), Some("m-1"));
    assert_eq!(next(START + HOUR), Some("m-1"));
    assert_eq!(next(START + 2 * HOUR), Some("m-2"));
    assert_eq!(next(START + 2 * DAY), None);
}

#[test]
fn a_report_counts_when_it_was_a_whole_run_for_a_checkpoint() {
    let report = |change: &dyn Fn(&mut serde_json::Value)| -> Report {
        let mut value = json!({
            "v": 1, "org": "quang-ninh", "room": "bai-chay", "run": "r", "boot": "b", "seq": 1,
            "prev": "A".repeat(43), "iat": 0, "mono_ms": 5_000, "clk": "ntp",
            "trigger": { "kind": "schedule", "meeting": "m-1", "checkpoint": "T-90" },
            "profile": { "id": "quang-ninh", "sha256": "0" }, "started_ms": 0, "finished_ms": 900_000,
            "verdict": "unknown", "findings": [], "agent": "0.1.0", "config": "0"
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    };
    let clocks = |boot: &str| Clocks {
        wall_ms: 2_000_000,
        mono_ms: 65_000,
        boot: boot.into(),
    };
    let whole = Run::of(&report(&|_| {})).unwrap();
    // In the same boot by the monotonic clock, from another by the wall clock of its time.
    assert_eq!(whole.by(&clocks("b")), made("m-1", "T-90", 1_940_000));
    assert_eq!(whole.by(&clocks("c")), made("m-1", "T-90", 900_000));
    let by_hand = report(&|v| v["trigger"]["checkpoint"] = json!(null));
    let part = report(&|v| v["scope"] = json!(["codec"]));
    let broken_off = report(&|v| {
        v["findings"] = json!([{ "check": "codec.awake", "status": "unknown", "code": "cancelled", "required": true, "at_ms": 0 }]);
    });
    for other in [by_hand, part, broken_off] {
        assert_eq!(Run::of(&other), None);
    }
}

/// What happens to a box.
#[derive(Debug, Clone)]
enum Happens {
    /// Time passes.
    Passes(i64),
    /// The wall clock is set by so much.
    Steps(i64),
    /// The program is started again.
    Restarts,
    /// The machine is.
    Reboots,
    /// The plan has another meeting, so long from now.
    Plans(i64),
    /// It has one less.
    Cancels(usize),
}

fn happens(steps: bool) -> impl Strategy<Value = Happens> {
    let year = 365 * DAY;
    let step = prop_oneof![-2 * HOUR..2 * HOUR, -2 * MIN..2 * MIN, Just(year), Just(-year)];
    prop_oneof![
        6 => (0..3 * HOUR).prop_map(Happens::Passes),
        2 => (0..2 * MIN).prop_map(Happens::Passes),
        if steps { 2 } else { 0 } => step.prop_map(Happens::Steps),
        1 => Just(Happens::Restarts),
        1 => Just(Happens::Reboots),
        2 => (0..2 * DAY).prop_map(Happens::Plans),
        1 => (0_usize..4).prop_map(Happens::Cancels),
    ]
}

/// A box whose loop is simulated: it looks at least once a minute.
struct World {
    true_ms: i64,
    offset_ms: i64,
    booted_ms: i64,
    up_ms: i64,
    boots: u32,
    /// Since when, by the wall clock, the machine is up and its clock was not set.
    sound_since_ms: i64,
    meetings: Vec<Planned>,
    named: u32,
    logbook: Vec<Run>,
    started: Vec<Run>,
    /// Runs, and how often the clock had been set when each was made.
    ran: Vec<(Checkpoint, u32)>,
    /// Each meeting and checkpoint that a run was for, its own and the others; when in true time, and by the wall clock.
    served: Vec<(String, String, i64, i64)>,
    steps: u32,
}

/// A meeting, and when by the wall clock it was planned.
struct Planned {
    meeting: Meeting,
    at_ms: i64,
}

impl World {
    fn clocks(&self) -> Clocks {
        Clocks {
            wall_ms: self.true_ms + self.offset_ms,
            mono_ms: (self.true_ms - self.booted_ms).unsigned_abs(),
            boot: self.boots.to_string(),
        }
    }

    fn see(&self, profile: &Profile) -> Look {
        let clocks = self.clocks();
        let meetings: Vec<Meeting> = self
            .meetings
            .iter()
            .map(|planned| planned.meeting.clone())
            .collect();
        look(&Seen {
            meetings: &meetings,
            profile,
            made: &self.made(),
            up_since_ms: clocks.wall_of((self.up_ms - self.booted_ms).unsigned_abs()),
            since_boot_ms: clocks.mono_ms,
            now_ms: clocks.wall_ms,
        })
    }

    /// One look, and the run that it asks for.
    fn look(&mut self, profile: &Profile) -> Option<i64> {
        let clocks = self.clocks();
        let look = self.see(profile);
        if let Some(due) = &look.due {
            let checkpoint = &due.checkpoint;
            assert!(checkpoint.moment_ms <= clocks.wall_ms && clocks.wall_ms < checkpoint.start_ms);
            let latest = moments(profile, checkpoint.start_ms)
                .into_iter()
                .rfind(|moment| moment.limit_ms <= clocks.wall_ms)
                .unwrap();
            assert_eq!(checkpoint.name, latest.name, "an earlier one is not made up");
            self.ran.push((checkpoint.clone(), self.steps));
            self.logbook.push(Run::begins(checkpoint, &clocks));
            for checkpoint in std::iter::once(checkpoint).chain(&due.also) {
                self.started.push(Run::begins(checkpoint, &clocks));
                self.served.push((
                    checkpoint.meeting.clone(),
                    checkpoint.name.clone(),
                    self.true_ms,
                    clocks.wall_ms,
                ));
            }
        }
        assert!(look.next_ms.is_none_or(|at_ms| at_ms > clocks.wall_ms));
        look.next_ms
    }

    /// Written apart from what it proves, from the regulation's own times: of each meeting that is still ahead the latest
    /// moment that has passed while the machine was up, its clock was left alone and the meeting was planned, has its
    /// run.
    fn nothing_is_lost(&self) {
        let now_ms = self.clocks().wall_ms;
        for Planned { meeting, at_ms } in &self.meetings {
            let before = |minutes: i64| meeting.start_ms - minutes * MIN;
            let (checkpoint, moment_ms) = match now_ms {
                now if now >= before(0) || now < before(24 * 60) => continue,
                now if now >= before(20) => ("T-20", before(20)),
                now if now >= before(90) => ("T-90", before(90)),
                _ => ("T-1d", before(24 * 60)),
            };
            if moment_ms < self.sound_since_ms.max(*at_ms) {
                continue;
            }
            assert!(
                // Nobody can say of a run before a reboot how the clock was set since.
                self.served
                    .iter()
                    .any(|(of, name, true_ms, wall_ms)| *of == meeting.id
                        && name == checkpoint
                        && (true_ms + self.offset_ms).max(*wall_ms) + MIN >= moment_ms),
                "{} has no run for {checkpoint}, {} ms after its moment",
                meeting.id,
                now_ms - moment_ms
            );
        }
    }

    /// Lets time pass, with the looks that the loop makes in it.
    fn pass(&mut self, profile: &Profile, mut left_ms: i64) {
        loop {
            let next_ms = self.look(profile);
            assert_eq!(self.see(profile).due, None, "nothing comes twice");
            self.nothing_is_lost();
            if left_ms <= 0 {
                return;
            }
            let wait_ms = next_ms
                .map_or(30 * MIN, |at_ms| at_ms - self.clocks().wall_ms)
                .min(30 * MIN)
                .min(left_ms);
            self.true_ms += wait_ms;
            left_ms -= wait_ms;
        }
    }

    fn made(&self) -> Vec<Made> {
        let clocks = self.clocks();
        let runs = self.logbook.iter().chain(&self.started);
        runs.map(|run| run.by(&clocks)).collect()
    }

    fn happen(&mut self, what: &Happens, profile: &Profile) {
        match what {
            Happens::Passes(ms) => self.pass(profile, *ms),
            Happens::Steps(ms) => {
                self.offset_ms += ms;
                self.steps += 1;
                self.sound_since_ms = self.clocks().wall_ms;
                self.pass(profile, 0);
            }
            Happens::Restarts => {
                self.started.clear();
                self.up_ms = self.true_ms;
            }
            Happens::Reboots => {
                self.started.clear();
                self.true_ms += MIN;
                (self.booted_ms, self.up_ms) = (self.true_ms, self.true_ms);
                self.boots += 1;
                self.sound_since_ms = self.clocks().wall_ms;
            }
            Happens::Plans(ahead_ms) => {
                self.named += 1;
                let at_ms = self.clocks().wall_ms;
                self.meetings.push(Planned {
                    meeting: meeting(&format!("m-{}", self.named), at_ms + ahead_ms),
                    at_ms,
                });
            }
            Happens::Cancels(at) => {
                if *at < self.meetings.len() {
                    self.meetings.remove(*at);
                }
            }
        }
    }
}

fn world() -> World {
    World {
        true_ms: START,
        offset_ms: 0,
        booted_ms: START - HOUR,
        up_ms: START - HOUR,
        boots: 0,
        sound_since_ms: START,
        meetings: vec![],
        named: 0,
        logbook: vec![],
        started: vec![],
        ran: vec![],
        served: vec![],
        steps: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn with_a_sound_clock_each_checkpoint_is_made_at_most_once(
        story in prop::collection::vec(happens(false), 0..60)
    ) {
        let (mut world, profile) = (world(), profile());
        for what in &story {
            world.happen(what, &profile);
        }
        let mut pairs: Vec<_> = world.ran.iter().map(|(c, _)| (c.meeting.clone(), c.name.clone())).collect();
        let all = pairs.len();
        pairs.sort();
        pairs.dedup();
        prop_assert_eq!(pairs.len(), all);
    }

    #[test]
    fn a_clock_that_steps_never_floods_and_never_loses_what_is_due(
        story in prop::collection::vec(happens(true), 0..60)
    ) {
        let (mut world, profile) = (world(), profile());
        for what in &story {
            world.happen(what, &profile);
        }
        // Between two steps of the clock each checkpoint is made at most once.
        let mut seen: Vec<_> =
            world.ran.iter().map(|(c, steps)| (c.meeting.clone(), c.name.clone(), *steps)).collect();
        let all = seen.len();
        seen.sort();
        seen.dedup();
        prop_assert_eq!(seen.len(), all);
    }

    #[test]
    fn any_plan_without_panic(
        starts in prop::collection::vec((any::<i64>(), any::<u32>()), 0..6),
        now_ms in any::<i64>(),
        up_since_ms in any::<i64>(),
        since_boot_ms in any::<u64>(),
    ) {
        let meetings: Vec<Meeting> = starts
            .iter()
            .enumerate()
            .map(|(at, (start_ms, length_min))| Meeting { length_min: *length_min, ..meeting(&at.to_string(), *start_ms) })
            .collect();
        let profile = profile();
        let look = look(&Seen { meetings: &meetings, profile: &profile, made: &[], up_since_ms, since_boot_ms, now_ms });
        prop_assert!(look.next_ms.is_none_or(|at_ms| at_ms > now_ms));
        let _ = (next_meeting(&meetings, now_ms), meeting_of_the_hour(&meetings, &profile, now_ms));
        prop_assert!(valid_until(&meetings, &profile, now_ms) >= now_ms);
    }
}
