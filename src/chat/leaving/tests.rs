use super::super::testing::*;
use crate::chat::{
    AfterAction, Caller, Change, Command, LeaveReason, QuitReason, Rejection, State, UserType,
    Visibility,
};
use crate::id::ParticipantId;

fn temporarily(reason: LeaveReason) -> Command {
    Command::Release {
        participant: None,
        after: AfterAction::KeepAlive,
        reason: Some(reason),
    }
}

fn removed(participant: ParticipantId, lost: bool) -> Command {
    Command::Remove {
        participant,
        quit: QuitReason::Inactive,
        lost,
    }
}

#[test]
fn the_last_one_to_leave_ends_the_chat() {
    let mut story = Story::regular();
    let log = story.by(CUSTOMER, release(None, AfterAction::KeepAlive));
    assert_eq!(
        left(event(&log)),
        (CUSTOMER, None, Some(QuitReason::Logout))
    );
    assert!(closes(&log));
    assert_eq!(story.session.state(), State::Closed);
    assert_eq!(
        story.refused(CUSTOMER, message("hello?")),
        Rejection::Closed
    );
}

#[test]
fn the_chat_goes_on_while_somebody_is_in_it() {
    let mut story = Story::regular();
    let agent = story.agent();
    let log = story.by(CUSTOMER, release(None, AfterAction::KeepAlive));
    assert!(!closes(&log));
    assert!(story.session.is_over_for(CUSTOMER));
    assert!(!story.session.is_over_for(agent));
    assert!(closes(
        &story.by(agent, release(None, AfterAction::KeepAlive))
    ));
}

#[test]
fn the_workflow_does_not_keep_a_chat_open() {
    let mut story = Story::regular();
    story.join(UserType::External, Visibility::All);
    let log = story.by(CUSTOMER, release(None, AfterAction::KeepAlive));
    assert_eq!(events(&log).len(), 1);
    assert!(closes(&log));
}

#[test]
fn force_close_takes_everybody_out() {
    let mut story = Story::regular();
    let (agent, bot) = (story.agent(), story.bot());
    let log = story.by(agent, release(None, AfterAction::ForceClose));
    let leavings: Vec<_> = events(&log).into_iter().map(left).collect();
    let expected = [
        (agent, None, None),
        (CUSTOMER, None, Some(QuitReason::Removed)),
        (bot, None, None),
    ];
    assert_eq!(leavings, expected);
    assert!(closes(&log));
}

#[test]
fn without_agents_means_without_people() {
    let mut story = Story::regular();
    let (ann, bob) = (story.agent(), story.agent());
    story.bot();
    story.join(UserType::Supervisor, Visibility::Vip);
    assert!(!closes(
        &story.by(ann, release(None, AfterAction::CloseIfNoAgents))
    ));
    assert!(closes(
        &story.by(bob, release(None, AfterAction::CloseIfNoAgents))
    ));
}

#[test]
fn agents_release_themselves_the_customer_and_bots() {
    let mut story = Story::regular();
    let (ann, bob, bot) = (story.agent(), story.agent(), story.bot());
    let others = story.refused(ann, release(Some(bob), AfterAction::KeepAlive));
    assert!(matches!(others, Rejection::Forbidden(_)));
    story.by(ann, release(Some(bot), AfterAction::KeepAlive));
    let log = story.by(ann, release(Some(CUSTOMER), AfterAction::KeepAlive));
    assert_eq!(left(event(&log)).2, Some(QuitReason::Removed));
    story.by(ann, release(Some(ann), AfterAction::KeepAlive));
    assert_eq!(
        story.refused(bob, release(Some(ann), AfterAction::KeepAlive)),
        Rejection::Left
    );
}

#[test]
fn supervisors_release_anybody_and_customers_only_themselves() {
    let mut story = Story::regular();
    let agent = story.agent();
    let supervisor = story.join(UserType::Supervisor, Visibility::Vip);
    for command in [
        release(Some(agent), AfterAction::KeepAlive),
        release(None, AfterAction::ForceClose),
    ] {
        let refused = story.refused(CUSTOMER, command);
        assert!(matches!(refused, Rejection::Forbidden(_)));
    }
    story.by(supervisor, release(Some(agent), AfterAction::KeepAlive));
    assert!(!story.session.participant(agent).unwrap().is_present());
}

#[test]
fn a_chat_is_held_until_the_customer_writes() {
    let mut story = Story::asynchronous();
    let agent = story.agent();
    let log = story.by(agent, temporarily(LeaveReason::Hold));
    assert_eq!(left(event(&log)), (agent, Some(LeaveReason::Hold), None));
    assert_eq!(status(&log), Some(-2));
    assert_eq!(story.session.state(), State::Held);
    story.by(CUSTOMER, message("hello again"));
    assert_eq!(story.session.state(), State::Waiting);
}

#[test]
fn a_chat_is_held_until_an_agent_joins() {
    let mut story = Story::asynchronous();
    let agent = story.agent();
    story.by(agent, temporarily(LeaveReason::Hold));
    story.agent();
    assert_eq!(story.session.state(), State::Served);
    assert_eq!(story.session.async_status(), -1);
}

#[test]
fn a_chat_that_another_agent_serves_is_not_held() {
    let mut story = Story::asynchronous();
    let (ann, bob) = (story.agent(), story.agent());
    story.by(ann, temporarily(LeaveReason::Hold));
    assert_eq!(story.session.state(), State::Served);
    story.by(bob, release(None, AfterAction::KeepAlive));
    assert_eq!(story.session.state(), State::Waiting);
}

#[test]
fn hold_is_for_agents_of_async_chats() {
    let mut story = Story::regular();
    let agent = story.agent();
    let regular = story.refused(agent, temporarily(LeaveReason::Hold));
    let customer = story.refused(CUSTOMER, temporarily(LeaveReason::Transfer));
    assert!(matches!(regular, Rejection::Forbidden(_)));
    assert!(matches!(customer, Rejection::Forbidden(_)));
    let log = story.by(agent, temporarily(LeaveReason::Transfer));
    assert_eq!(left(event(&log)).1, Some(LeaveReason::Transfer));
}

#[test]
fn a_transfer_asks_for_another_agent() {
    let mut story = Story::asynchronous();
    let agent = story.agent();
    assert_eq!(
        status(&story.by(agent, temporarily(LeaveReason::Transfer))),
        Some(5)
    );
    assert_eq!(story.session.state(), State::Waiting);
}

#[test]
fn a_lost_agent_is_missed() {
    let mut story = Story::asynchronous();
    let (agent, bot) = (story.agent(), story.bot());
    assert_eq!(status(&story.server(removed(bot, true))), None);
    let log = story.server(removed(agent, true));
    assert_eq!(left(event(&log)), (agent, None, None));
    assert_eq!(status(&log), Some(4));
}

#[test]
fn only_the_server_removes_and_closes() {
    let mut story = Story::regular();
    let quit = QuitReason::Server;
    for command in [removed(CUSTOMER, false), Command::Close { quit }] {
        let refused = story.refused(CUSTOMER, command);
        assert!(matches!(refused, Rejection::Forbidden(_)));
    }
    let log = story.server(removed(CUSTOMER, false));
    assert_eq!(left(event(&log)).2, Some(QuitReason::Inactive));
    assert!(closes(&log));
}

#[test]
fn closing_takes_everybody_out_for_the_servers_reason() {
    let mut story = Story::regular();
    let agent = story.agent();
    let quit = QuitReason::Server;
    let log = story.server(Command::Close { quit });
    let leavings: Vec<_> = events(&log).into_iter().map(left).collect();
    assert_eq!(
        leavings,
        [(CUSTOMER, None, Some(quit)), (agent, None, None)]
    );
    let again = story.attempt(Caller::Server, Command::Close { quit });
    assert_eq!(again, Err(Rejection::Closed));
    assert_eq!(log.last(), Some(&Change::Closed { at: story.now.wall }));
}
