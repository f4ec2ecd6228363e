use super::*;
use crate::wire::testing::{chat, greeting, joining, shared, texts};

fn party() -> Party<'static> {
    Party {
        alias: "1",
        chat: chat(),
        user: UserId(0x0075_5567_7B20_000A),
        secure_key: "4ee15d7e1c343c8e4ee15d7e1c343c8e",
    }
}

fn stretch(events: &[Arc<Event>]) -> Stretch<'_> {
    Stretch {
        events,
        next_position: 8,
        chat_ended: false,
        monitored: false,
    }
}

#[test]
fn a_chat_begins_as_in_the_sample() {
    let events = [shared(joining())];
    let reply = Stretch {
        next_position: 2,
        ..stretch(&events)
    };
    assert_golden!("requested", &requested(party(), reply));
}

#[test]
fn calls_with_nothing_to_show_have_no_messages() {
    assert_golden!("accepted", &accepted(party(), false));
    let allowed = texts(&[("delete-file", "odd"), ("upload-max-files", "10")]);
    assert_golden!("limits", &limits(party(), false, &allowed));
    assert_golden!("disconnected", &disconnected());
}

#[test]
fn a_sent_message_comes_with_the_transcript_or_an_empty_one() {
    assert_golden!("sent-empty", &sent(party(), stretch(&[])));
    let events = [shared(greeting(7))];
    assert_golden!("sent", &sent(party(), stretch(&events)));
}

#[test]
fn a_refresh_names_the_tenant() {
    let events = [shared(greeting(7))];
    let ended = Stretch {
        chat_ended: true,
        monitored: true,
        ..stretch(&events)
    };
    assert_golden!("refreshed", &refreshed(party(), ended, "Environment"));
}

#[test]
fn files_are_told_by_their_id() {
    let id = texts(&[("file-id", "00F057DB0FF10005")]);
    assert_golden!("file-uploaded", &file(party(), false, Some(&id), 6));
    assert_golden!("file-deleted", &file(party(), false, None, 7));
}

#[test]
fn a_failure_gives_no_keys_away() {
    let failure = Failure::unknown_chat();
    let told = failed("1", Some(chat()), &failure, "ref-1");
    assert_golden!("failed", &told);
}
