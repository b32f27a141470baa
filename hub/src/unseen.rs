//! Keeps what this process has in its memory to itself: the key that rooms believe. No core file is
//! written of it, and no other program of the same user may look into it.
//!
//! Both halves are needed. The limit alone does not stop a kernel that hands cores to a program (`core_pattern` with a
//! pipe); not being dumpable stops that as well. What the process reads of itself in `/proc/self` it still may.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// From now on. Programs that this one starts can be looked into again, and leave no core either.
pub fn from_now_on() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // One of the two may be refused by a sandbox; the other still holds, and there is nobody to be asked for more.
    let _limited = setrlimit(Resource::Core, none);
    let _closed = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
