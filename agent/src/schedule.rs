//! The meeting's clock on the box: (meetings, profile, runs already made, now) → what is due, and when to look again.
//!
//! Pure, and without a memory of its own: every look decides from the wall clock as it stands, so that a clock that
//! steps neither loses a check that is still due nor makes one twice. What was made is read from the logbook, so
//! that a restart repeats nothing.
//!
//! A checkpoint is due from its moment until the meeting's start. Of those that were missed the latest is made up while
//! that makes sense, and not before the machine has been up for some minutes: the devices that were switched on with it
//! still start. An earlier one is not made up. A run begins at `before` and not at `from`: before that the codec
//! may be off, and a check that waits for it to be switched on is another trigger than the clock.

#[cfg(test)]
mod tests;

use bridgepoint_protocol::claims::{Meeting, MeetingKind, Report, TriggerKind};
use bridgepoint_protocol::profile::Profile;
use bridgepoint_protocol::schedule::{Moment, end, moments, window};

/// A run counts for a checkpoint though it seems to lie this much before the moment, milliseconds: a clock that is
/// corrected by and by is no reason to check again.
const SLACK_MS: i64 = 60_000;

/// How long after the machine's boot a missed checkpoint is made up, milliseconds: codec and switches, which get their
/// current with the box, take minutes to start, and would be told as not answering.
const SETTLES_MS: i64 = 3 * 60_000;

/// A start nearer than this does not wait for that, milliseconds.
const PRESSING_MS: i64 = 10 * 60_000;

/// What a look is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The meetings of the room's plan. One that was cancelled is not there.
    pub(crate) meetings: &'a [Meeting],
    /// When they are checked for.
    pub(crate) profile: &'a Profile,
    /// The runs that were made for them.
    pub(crate) made: &'a [Made],
    /// Since when the program is up, by the present wall clock, UTC milliseconds.
    pub(crate) up_since_ms: i64,
    /// How long the machine is up, milliseconds.
    pub(crate) since_boot_ms: u64,
    /// The wall clock, UTC milliseconds.
    pub(crate) now_ms: i64,
}

impl Seen<'_> {
    /// Whether a checkpoint's moment was missed, because the program was not up.
    fn missed(&self, checkpoint: &Checkpoint) -> bool {
        checkpoint.moment_ms < self.up_since_ms
    }

    /// From when on a checkpoint's run is made, UTC milliseconds.
    fn ripe_ms(&self, checkpoint: &Checkpoint) -> i64 {
        if !self.missed(checkpoint) {
            return checkpoint.moment_ms;
        }
        let since_boot_ms = i64::try_from(self.since_boot_ms).unwrap_or(i64::MAX);
        let settled_ms = self
            .now_ms
            .saturating_add(SETTLES_MS.saturating_sub(since_boot_ms));
        settled_ms.min(checkpoint.start_ms.saturating_sub(PRESSING_MS))
    }
}

/// A run that was made for a checkpoint of a meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// The meeting's id.
    pub(crate) meeting: String,
    /// The checkpoint's name.
    pub(crate) checkpoint: String,
    /// When, by the present wall clock, UTC milliseconds.
    pub(crate) at_ms: i64,
}

/// What a look shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// The run to make now.
    pub(crate) due: Option<Due>,
    /// When something changes by itself, UTC milliseconds; always later than now.
    pub(crate) next_ms: Option<i64>,
    /// When the next check is due, UTC milliseconds; always later than now.
    pub(crate) next_check_ms: Option<i64>,
    /// Whether a meeting is in its hours.
    pub(crate) awake: bool,
    /// Whether a meeting is ahead or on.
    pub(crate) planned: bool,
}

/// A run to make now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    /// Why: the clock, or that the box was started late.
    pub(crate) kind: TriggerKind,
    /// The checkpoint that it is for: of the nearest meeting.
    pub(crate) checkpoint: Checkpoint,
    /// Checkpoints of other meetings that are due at the same moment: this run is theirs as well.
    pub(crate) also: Vec<Checkpoint>,
}

/// A checkpoint of a meeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The meeting's id.
    pub(crate) meeting: String,
    /// The checkpoint's name.
    pub(crate) name: String,
    /// Its moment, UTC milliseconds.
    pub(crate) moment_ms: i64,
    /// The meeting's start, UTC milliseconds.
    pub(crate) start_ms: i64,
}

/// Looks at the clock.
pub(crate) fn look(seen: &Seen<'_>) -> Look {
    let now_ms = seen.now_ms;
    let (mut due, unripe): (Vec<Checkpoint>, Vec<Checkpoint>) = seen
        .meetings
        .iter()
        .filter_map(|meeting| due_of(seen, meeting))
        .partition(|checkpoint| seen.ripe_ms(checkpoint) <= now_ms);
    due.sort_by(|a, b| (a.start_ms, &a.meeting).cmp(&(b.start_ms, &b.meeting)));
    let mut due = due.into_iter();
    let first = due.next().map(|checkpoint| Due {
        kind: if seen.missed(&checkpoint) {
            TriggerKind::Boot
        } else {
            TriggerKind::Schedule
        },
        checkpoint,
        also: due.collect(),
    });
    let hours = |meeting: &Meeting| window(seen.profile, meeting.start_ms, meeting.length_min);
    let changes = seen.meetings.iter().flat_map(|meeting| {
        let hours = hours(meeting);
        moments(seen.profile, meeting.start_ms)
            .into_iter()
            .map(|moment| moment.limit_ms)
            .chain([hours.from_ms, meeting.start_ms, hours.until_ms])
    });
    let ripens = unripe.iter().map(|checkpoint| seen.ripe_ms(checkpoint));
    Look {
        due: first,
        next_check_ms: look_ahead(seen.meetings, seen.profile, now_ms),
        next_ms: changes.chain(ripens).filter(|at_ms| *at_ms > now_ms).min(),
        planned: next_meeting(seen.meetings, now_ms).is_some(),
        awake: seen.meetings.iter().any(|meeting| hours(meeting).holds(now_ms)),
    }
}

/// The latest checkpoint of a meeting whose moment has come, where no run was made for it since and one still makes
/// sense.
fn due_of(seen: &Seen<'_>, meeting: &Meeting) -> Option<Checkpoint> {
    if meeting.start_ms <= seen.now_ms {
        return None;
    }
    let mut moments = moments(seen.profile, meeting.start_ms);
    let come = moments.partition_point(|moment| moment.limit_ms <= seen.now_ms);
    let later = moments.split_off(come);
    let latest = moments.pop()?;
    let urgent = meeting.kind.or(MeetingKind::Planned) == MeetingKind::Urgent;
    if !urgent
        && let Some(next) = later.first()
        && is_stale(latest.limit_ms, next.limit_ms, seen.now_ms)
    {
        return None;
    }
    let made = seen.made.iter().any(|made| {
        let same = made.checkpoint == latest.name;
        // Of a meeting that was put off: it was checked since, for a checkpoint that will come again.
        let beyond = later.iter().any(|moment| moment.name == made.checkpoint);
        made.meeting == meeting.id
            && (same && made.at_ms.saturating_add(SLACK_MS) >= latest.limit_ms
                || beyond && made.at_ms >= latest.limit_ms)
    });
    (!made).then(|| Checkpoint {
        meeting: meeting.id.clone(),
        name: latest.name,
        moment_ms: latest.limit_ms,
        start_ms: meeting.start_ms,
    })
}

/// Whether four fifths of the time from a checkpoint to the next have passed: what would be made up now tells nothing that
/// the next one does not tell, and may be asked while the devices are rightly off.
fn is_stale(moment_ms: i64, next_ms: i64, now_ms: i64) -> bool {
    let (gone, whole) = (
        i128::from(now_ms) - i128::from(moment_ms),
        i128::from(next_ms) - i128::from(moment_ms),
    );
    gone * 5 >= whole * 4
}

/// The clocks at one moment, to say of something earlier when it was by the present wall clock.
#[derive(Debug, Clone)]
pub(crate) struct Clocks {
    /// The wall clock, UTC milliseconds.
    pub(crate) wall_ms: i64,
    /// Since boot, milliseconds.
    pub(crate) mono_ms: u64,
    /// The boot.
    pub(crate) boot: String,
}

impl Clocks {
    /// When something was that happened in this boot at `mono_ms`, by the present wall clock.
    pub(crate) fn wall_of(&self, mono_ms: u64) -> i64 {
        let ago = i64::try_from(self.mono_ms.saturating_sub(mono_ms)).unwrap_or(i64::MAX);
        self.wall_ms.saturating_sub(ago)
    }
}

/// A run for a checkpoint, with the clocks of its own time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// The meeting's id.
    pub(crate) meeting: String,
    /// The checkpoint's name.
    pub(crate) checkpoint: String,
    /// The boot it was made in.
    pub(crate) boot: String,
    /// Since that boot, milliseconds.
    pub(crate) mono_ms: u64,
    /// The wall clock of that time, UTC milliseconds.
    pub(crate) wall_ms: i64,
}

impl Run {
    /// The run that begins now.
    pub(crate) fn begins(checkpoint: &Checkpoint, clocks: &Clocks) -> Self {
        Self {
            meeting: checkpoint.meeting.clone(),
            checkpoint: checkpoint.name.clone(),
            boot: clocks.boot.clone(),
            mono_ms: clocks.mono_ms,
            wall_ms: clocks.wall_ms,
        }
    }

    /// The run that a report tells of, if it was a whole one for a checkpoint. One that was broken off does not
    /// count: the program was stopped in the middle of it, and makes it again.
    pub(crate) fn of(report: &Report) -> Option<Self> {
        let (Some(meeting), Some(checkpoint)) = (&report.trigger.meeting, &report.trigger.checkpoint) else {
            return None;
        };
        let broken_off = report.findings.iter().any(|finding| finding.code == "cancelled");
        (report.scope.is_none() && !broken_off).then(|| Self {
            meeting: meeting.clone(),
            checkpoint: checkpoint.clone(),
            boot: report.link.boot.clone(),
            mono_ms: report.link.mono_ms,
            wall_ms: report.finished_ms,
        })
    }

    /// The run as it counts by the present clocks. Within one boot the monotonic clock knows better when it was than
    /// a wall clock that was set since.
    pub(crate) fn by(&self, clocks: &Clocks) -> Made {
        Made {
            meeting: self.meeting.clone(),
            checkpoint: self.checkpoint.clone(),
            at_ms: if self.boot == clocks.boot {
                clocks.wall_of(self.mono_ms)
            } else {
                self.wall_ms
            },
        }
    }
}

/// The meeting that people mean now: one in its hours, else the next to come.
pub(crate) fn next_meeting(meetings: &[Meeting], now_ms: i64) -> Option<&Meeting> {
    meetings
        .iter()
        .filter(|meeting| end(meeting.start_ms, meeting.length_min) > now_ms)
        .min_by_key(|meeting| (meeting.start_ms, &meeting.id))
}

/// The meeting that a check by hand is for, where nobody said: the only one in its hours.
pub(crate) fn meeting_of_the_hour<'a>(
    meetings: &'a [Meeting],
    profile: &Profile,
    now_ms: i64,
) -> Option<&'a Meeting> {
    let mut in_hours = meetings
        .iter()
        .filter(|meeting| window(profile, meeting.start_ms, meeting.length_min).holds(now_ms));
    let one = in_hours.next();
    one.filter(|_| in_hours.next().is_none())
}

/// When the next check is due, UTC milliseconds; later than `now_ms`.
pub(crate) fn look_ahead(meetings: &[Meeting], profile: &Profile, now_ms: i64) -> Option<i64> {
    checkpoints(meetings, profile)
        .map(|moment| moment.limit_ms)
        .filter(|at_ms| *at_ms > now_ms)
        .min()
}

/// The next moment at which the room is asked for its result: a checkpoint of a meeting to come, or its start.
/// UTC milliseconds, later than `after_ms`.
pub(crate) fn deadline_after(meetings: &[Meeting], profile: &Profile, after_ms: i64) -> Option<i64> {
    checkpoints(meetings, profile)
        .map(|moment| moment.limit_ms)
        .chain(meetings.iter().map(|meeting| meeting.start_ms))
        .filter(|at_ms| *at_ms > after_ms)
        .min()
}

/// Until when a result stands that was measured at `finished_ms`: the earlier of the next checkpoint and the
/// profile's validity. UTC milliseconds.
pub(crate) fn valid_until(meetings: &[Meeting], profile: &Profile, finished_ms: i64) -> i64 {
    let longest = finished_ms.saturating_add(i64::from(profile.validity_min) * 60_000);
    checkpoints(meetings, profile)
        .map(|moment| moment.limit_ms)
        .filter(|at_ms| *at_ms > finished_ms)
        .fold(longest, i64::min)
}

fn checkpoints<'a>(meetings: &'a [Meeting], profile: &'a Profile) -> impl Iterator<Item = Moment> {
    meetings
        .iter()
        .flat_map(|meeting| moments(profile, meeting.start_ms))
}
