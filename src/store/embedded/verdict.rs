//! What a gap in the log means: torn by a crash, or damaged afterwards.
//!
//! Frames are numbered without gaps, and only one group is ever on its way to the disk. So whatever is missing before
//! the last group seen was durable once: it is *damage*, and is reported. What is missing within the last group was never
//! acknowledged: the log is *cut* there. A frame that says that the group was durable, or an index that says so, turns a cut
//! into damage.

use super::frame::Place;
use super::index::Position;
use super::scan::Found;

/// Follows the log frame by frame.
#[derive(Debug)]
pub struct Verdict {
    head: Position,
    expected: Option<u64>,
    proven: u64,
    last_group: u64,
    /// Where the last group that counts begins.
    group_at: Place,
    held: Vec<Found>,
}

/// The end of the log.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Where it goes on.
    pub head: Position,
    /// The last group, where nothing proves that it was synced. It can be read, but that may be all: after a failed sync
    /// the system shows what the disk does not have.
    pub unproven: Option<Place>,
}

/// What a frame leads to.
#[derive(Clone, Copy, Debug)]
pub enum Judged {
    /// It counts.
    Sound(Found),
    /// It counts, but its content is damaged.
    Damaged(Found),
    /// Something was durable before this place, and is gone.
    Lost(Place),
}

impl Verdict {
    /// Begins where the index ends; `exact`: the first frame is to be the one after it.
    pub fn new(from: Position, exact: bool) -> Self {
        Self {
            head: from,
            expected: exact.then_some(from.sequence),
            proven: from.group,
            last_group: 0,
            group_at: Place::NOWHERE,
            held: Vec::new(),
        }
    }

    /// Segments were emptied before this one: any number may follow.
    pub fn skip(&mut self) {
        if self.held.is_empty() {
            self.expected = None;
        }
    }

    /// Looks at the next frame; `judge` is told what is certain by it.
    pub fn look(&mut self, found: Found, judge: &mut dyn FnMut(Judged)) {
        let header = &found.header;
        let older = self
            .expected
            .is_some_and(|expected| header.sequence < expected);
        if older || header.group < self.last_group {
            // The rest of something that was overwritten.
            return;
        }
        self.last_group = header.group;
        self.proven = self.proven.max(header.durable_group);
        self.release(judge);
        if self.held.is_empty() && !self.is_doubtful(&found) {
            self.accept(found, judge);
        } else {
            self.held.push(found);
        }
    }

    /// The end of the log.
    pub fn end(self) -> End {
        let group = self.head.group.max(self.last_group);
        let unproven = self.head.group > self.proven && self.group_at != Place::NOWHERE;
        End {
            head: Position { group, ..self.head },
            unproven: unproven.then_some(self.group_at),
        }
    }

    /// Whether the frame, or what is missing before it, may be the work of a crash.
    fn is_doubtful(&self, found: &Found) -> bool {
        let header = &found.header;
        if header.group <= self.proven {
            return false;
        }
        let first_of_group = header.sequence - u64::from(header.ordinal);
        let missing = self
            .expected
            .is_some_and(|expected| expected < header.sequence);
        !found.sound || (missing && first_of_group < header.sequence)
    }

    fn release(&mut self, judge: &mut dyn FnMut(Judged)) {
        let durable = self
            .held
            .first()
            .is_some_and(|held| held.header.group <= self.proven);
        if durable {
            for found in std::mem::take(&mut self.held) {
                self.accept(found, judge);
            }
        }
    }

    fn accept(&mut self, found: Found, judge: &mut dyn FnMut(Judged)) {
        let header = &found.header;
        if self
            .expected
            .is_some_and(|expected| expected < header.sequence)
        {
            judge(Judged::Lost(found.place));
        }
        if header.group != self.head.group {
            self.group_at = found.place;
        }
        let frame_bytes = u32::try_from(header.frame_bytes()).unwrap_or(u32::MAX);
        self.expected = Some(header.sequence + 1);
        self.head = Position {
            segment: found.place.segment,
            offset: found.place.offset + frame_bytes,
            sequence: header.sequence + 1,
            group: header.group,
        };
        judge(if found.sound {
            Judged::Sound(found)
        } else {
            Judged::Damaged(found)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Wall;
    use crate::id::SessionId;
    use crate::store::embedded::frame::{Flags, Header};

    #[test]
    fn frames_in_a_row_count() {
        assert_eq!(story(&[(1, 1, 0), (2, 2, 0), (3, 2, 1)]), "1 2 3");
    }

    #[test]
    fn a_gap_in_the_last_group_is_a_cut() {
        assert_eq!(story(&[(1, 1, 0), (3, 2, 1), (4, 2, 2)]), "1 | cut");
    }

    #[test]
    fn a_gap_before_the_last_group_is_damage() {
        assert_eq!(story(&[(1, 1, 0), (3, 2, 0)]), "1 lost 3");
        assert_eq!(story(&[(1, 1, 0), (3, 2, 1), (4, 3, 0)]), "1 lost 3 4");
    }

    #[test]
    fn a_frame_of_an_older_group_is_a_leftover() {
        assert_eq!(story(&[(1, 1, 0), (2, 3, 0), (3, 2, 1)]), "1 2");
    }

    #[test]
    fn the_index_can_prove_a_group_durable() {
        let mut verdict = Verdict::new(
            Position {
                sequence: 1,
                group: 1,
                ..Position::default()
            },
            true,
        );
        let mut lost = 0;
        verdict.look(frame(2, 1, 1), &mut |judged| {
            lost += u32::from(matches!(judged, Judged::Lost(_)));
        });
        assert_eq!(lost, 1);
    }

    #[test]
    fn only_the_last_group_may_be_less_than_it_seems() {
        let unproven = |frames: &[(u64, u64, u32)]| {
            let mut verdict = Verdict::new(start(), true);
            for (sequence, group, ordinal) in frames {
                verdict.look(frame(*sequence, *group, *ordinal), &mut |_| {});
            }
            verdict.end().unproven.map(|place| place.offset / 96)
        };
        assert_eq!(unproven(&[]), None);
        assert_eq!(unproven(&[(1, 1, 0), (2, 1, 1)]), Some(1));
        assert_eq!(unproven(&[(1, 1, 0), (2, 2, 0), (3, 2, 1)]), Some(2));
    }

    fn start() -> Position {
        Position {
            sequence: 1,
            ..Position::default()
        }
    }

    fn story(frames: &[(u64, u64, u32)]) -> String {
        let mut verdict = Verdict::new(start(), true);
        let mut words = Vec::new();
        for (sequence, group, ordinal) in frames {
            verdict.look(frame(*sequence, *group, *ordinal), &mut |judged| {
                words.push(match judged {
                    Judged::Sound(found) => found.header.sequence.to_string(),
                    Judged::Damaged(_) => "damaged".into(),
                    Judged::Lost(_) => "lost".into(),
                });
            });
        }
        if !verdict.held.is_empty() {
            words.push("| cut".into());
        }
        words.join(" ")
    }

    fn frame(sequence: u64, group: u64, ordinal: u32) -> Found {
        Found {
            place: Place {
                segment: 1,
                offset: u32::try_from(sequence * 96).unwrap(),
            },
            header: Header {
                payload_bytes: 0,
                payload_crc: 0,
                flags: Flags::default(),
                segment: 1,
                sequence,
                group,
                ordinal,
                durable_group: group - 1,
                session: SessionId::new(Wall(1), 1),
                number: 1,
                before: Place::NOWHERE,
                first: 1,
                events: 0,
                epoch: 0,
            },
            sound: true,
        }
    }
}
