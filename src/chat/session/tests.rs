//! What holds whatever is asked, in whatever order.

use proptest::prelude::*;

use super::super::testing::*;
use super::*;
use crate::chat::{AfterAction, Caller, Change, Command, LeaveReason, QuitReason, Speech, Style};

fn anybody() -> impl Strategy<Value = ParticipantId> {
    (0..6u32).prop_map(ParticipantId)
}

fn caller() -> impl Strategy<Value = Caller> {
    prop_oneof![
        3 => anybody().prop_map(Caller::Participant),
        1 => Just(Caller::Server),
    ]
}

fn visibility() -> impl Strategy<Value = Visibility> {
    prop_oneof![
        Just(Visibility::All),
        Just(Visibility::Int),
        Just(Visibility::Vip)
    ]
}

fn joining() -> impl Strategy<Value = Command> {
    let user_type = prop_oneof![
        Just(UserType::Agent),
        Just(UserType::Supervisor),
        Just(UserType::External)
    ];
    let style = prop_oneof![Just(Style::Person), Just(Style::Bot)];
    (user_type, style, visibility()).prop_map(|(user_type, style, visibility)| {
        Command::Join(join(user_type, style, visibility))
    })
}

fn releasing() -> impl Strategy<Value = Command> {
    let after = prop_oneof![
        8 => Just(AfterAction::KeepAlive),
        1 => Just(AfterAction::CloseIfNoAgents),
        1 => Just(AfterAction::ForceClose),
    ];
    let reason = prop_oneof![Just(LeaveReason::Hold), Just(LeaveReason::Transfer)];
    (prop::option::of(anybody()), after, prop::option::of(reason)).prop_map(
        |(participant, after, reason)| Command::Release {
            participant,
            after,
            reason,
        },
    )
}

fn saying() -> impl Strategy<Value = Command> {
    (prop::option::of(anybody()), prop::option::of(visibility())).prop_map(|(to, visibility)| {
        let speech = Speech {
            to,
            visibility,
            ..Speech::default()
        };
        say("hello", speech)
    })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => joining(),
        4 => saying(),
        2 => (0..12u64).prop_map(|last_event| Command::ReadConfirm { last_event }),
        2 => releasing(),
        1 => anybody().prop_map(|participant| Command::Remove {
            participant,
            quit: QuitReason::Inactive,
            lost: true,
        }),
        1 => Just(Command::UpdateNickname { nickname: "Bea".into() }),
    ]
}

fn told(asked: Vec<(Caller, Command)>, asynchronous: bool) -> Story {
    let mut story = match asynchronous {
        true => Story::asynchronous(),
        false => Story::regular(),
    };
    for (caller, command) in asked {
        // Refusals are as good as consents here: nothing may come of them.
        let _ = story.attempt(caller, command);
    }
    story
}

proptest! {
    #[test]
    fn a_session_keeps_its_word(
        asked in prop::collection::vec((caller(), command()), 0..40),
        asynchronous: bool,
    ) {
        let story = told(asked, asynchronous);
        indexes_count_every_event(&story);
        the_last_leaving_ends_it(&story);
        the_standing_receipts_are_those_of_the_present(&story);
        replay_gives_it_back(&story);
    }
}

fn indexes_count_every_event(story: &Story) {
    let indexes: Vec<u64> = events(&story.log).iter().map(|event| event.index).collect();
    let expected: Vec<u64> = (1..story.session.next_index()).collect();
    assert_eq!(indexes, expected);
}

fn the_last_leaving_ends_it(story: &Story) {
    let somebody = story
        .session
        .present()
        .any(|one| one.user_type != UserType::External);
    assert_eq!(story.session.closed_at().is_none(), somebody);
    let ends = story
        .log
        .iter()
        .filter(|change| matches!(change, Change::Closed { .. }))
        .count();
    assert_eq!(ends, usize::from(!somebody));
    assert!(somebody || closes(&story.log));
}

fn the_standing_receipts_are_those_of_the_present(story: &Story) {
    let standing: Vec<(ParticipantId, u64)> = events(&story.log)
        .into_iter()
        .filter(|event| is_receipt(&event.kind) && !story.session.is_annihilated(event))
        .map(|event| (event.from.participant, event.index))
        .collect();
    let mut receipts = story.session.parts().receipts.clone();
    receipts.sort_by_key(|(_, index)| *index);
    assert_eq!(standing, receipts);
    assert!(standing.iter().all(|(whose, _)| {
        story
            .session
            .participant(*whose)
            .is_some_and(Participant::is_present)
    }));
}

fn replay_gives_it_back(story: &Story) {
    let mut replayed = Session::new();
    story.log.iter().for_each(|change| replayed.apply(change));
    replayed.settle(&story.policy, story.now.instant);
    assert_eq!(replayed, story.session);
}
