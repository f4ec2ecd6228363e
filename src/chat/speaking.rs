//! Saying things: messages, notices, nicknames and read receipts.

use super::decide::{Asker, check_nickname, check_user_data};
use super::draft::{Draft, size_of_list, system};
use super::inactivity::counts_as_notice;
use super::{
    Command, EventKind, Participant, Policy, READ_CONFIRM, Rejection, Session, Speech, UserData,
    Visibility,
};
use crate::id::ParticipantId;

/// The system command that changes the language.
const CONFIGURE_SESSION: &str = "configure-session";
/// Names the event that was read.
const LAST_EVENT_ID: &str = "last-event-id";

/// Async status once the customer has written and nobody is there.
const CUSTOMER_WROTE: i8 = 2;

impl Session {
    /// Everything that becomes one event of the caller's.
    pub(super) fn speak(
        &self,
        draft: &mut Draft<'_>,
        asker: Asker<'_>,
        command: Command,
        policy: &Policy,
    ) -> Result<(), Rejection> {
        if let Command::ReadConfirm { last_event } = command {
            return self.confirm(draft, asker, last_event);
        }
        let (kind, speech) = said(command, policy)?;
        check_sizes(&kind, &speech, policy)?;
        let visibility = self.check_speech(asker, &speech)?;
        let wakes = self.wakes(asker, &kind, policy);
        let author = match asker {
            Asker::Participant(who) => who.author(),
            Asker::Server => system(),
        };
        draft.say(author, visibility, kind, speech);
        if wakes {
            draft.async_status(CUSTOMER_WROTE);
        }
        Ok(())
    }

    fn confirm(
        &self,
        draft: &mut Draft<'_>,
        asker: Asker<'_>,
        last_event: u64,
    ) -> Result<(), Rejection> {
        let Asker::Participant(who) = asker else {
            return Err(Rejection::Forbidden("only participants read"));
        };
        if last_event == 0 || last_event >= self.next_index() {
            return Err(Rejection::Invalid("there is no event with this index"));
        }
        let user_data = UserData::from([(LAST_EVENT_ID.to_owned(), last_event.to_string())]);
        let name = READ_CONFIRM.to_owned();
        draft.confirm(who, EventKind::Notice { name }, user_data);
        Ok(())
    }

    /// The visibility that the event gets, if the caller may use it and may write to the receiver.
    fn check_speech(&self, asker: Asker<'_>, speech: &Speech) -> Result<Visibility, Rejection> {
        let own = match asker {
            Asker::Participant(who) => who.visibility,
            Asker::Server => Visibility::All,
        };
        let visibility = speech.visibility.unwrap_or(own);
        if visibility < own {
            return Err(Rejection::Forbidden(
                "a visibility wider than that of the joining",
            ));
        }
        if visibility > Visibility::narrowest_for(asker.user_type()) {
            return Err(Rejection::Forbidden("this visibility is not for this role"));
        }
        if let Some(receiver) = speech.to {
            self.check_receiver(asker, receiver, visibility)?;
        }
        Ok(visibility)
    }

    fn check_receiver(
        &self,
        asker: Asker<'_>,
        receiver: ParticipantId,
        visibility: Visibility,
    ) -> Result<(), Rejection> {
        if asker.is_customer() {
            return Err(Rejection::Forbidden("customers write to everybody"));
        }
        let receiver = self
            .participant(receiver)
            .filter(|who| who.visibility <= Visibility::narrowest_for(asker.user_type()))
            .ok_or(Rejection::UnknownParticipant)?;
        if matches!(asker, Asker::Participant(who) if who.id == receiver.id) {
            return Err(Rejection::Invalid("a direct message to oneself"));
        }
        if !receiver.is_present() {
            return Err(Rejection::Left);
        }
        // A direct message would show somebody who joined unseen.
        if visibility > Visibility::narrowest_for(receiver.user_type) {
            return Err(Rejection::Forbidden(
                "the receiver may not see this visibility",
            ));
        }
        Ok(())
    }

    /// Whether the customer has written, or sent a notice that counts, and no agent is there to see it.
    fn wakes(&self, asker: Asker<'_>, kind: &EventKind, policy: &Policy) -> bool {
        asker.is_customer()
            && !self.participants().iter().any(Participant::serves)
            && (matches!(kind, EventKind::Message { .. })
                || counts_as_notice(kind, policy.async_idle_notices))
    }
}

/// The event that a command becomes, and how it is said.
fn said(command: Command, policy: &Policy) -> Result<(EventKind, Speech), Rejection> {
    Ok(match command {
        Command::Message {
            text,
            message_type,
            speech,
        } => (EventKind::Message { text, message_type }, speech),
        Command::Typing {
            started,
            text,
            speech,
        } => (typing(started, text, policy)?, speech),
        Command::PushUrl { url, speech } => (EventKind::PushUrl { url }, speech),
        Command::CustomNotice { text, speech } => (EventKind::CustomNotice { text }, speech),
        Command::UpdateNickname { nickname } => {
            check_nickname(&nickname, policy)?;
            (EventKind::NicknameUpdated { nickname }, Speech::default())
        }
        Command::FileUploaded { name, speech } => (EventKind::FileUploaded { name }, speech),
        Command::FileDeleted { name, speech } => (EventKind::FileDeleted { name }, speech),
        Command::ConfigureSession { speech } => (language(&speech)?, speech),
        Command::Create(_)
        | Command::Join(_)
        | Command::UpdateData { .. }
        | Command::ReadConfirm { .. }
        | Command::Release { .. }
        | Command::Remove { .. }
        | Command::Close { .. } => return Err(Rejection::Invalid("nothing is said by this")),
    })
}

fn typing(started: bool, text: Option<String>, policy: &Policy) -> Result<EventKind, Rejection> {
    check_text(text.as_deref().unwrap_or_default(), policy)?;
    let text = text.filter(|_| policy.typing_preview);
    Ok(match started {
        true => EventKind::TypingStarted { text },
        false => EventKind::TypingStopped { text },
    })
}

fn language(speech: &Speech) -> Result<EventKind, Rejection> {
    let named = ["GCTI_LanguageName", "GCTI_LanguageCode"]
        .iter()
        .any(|key| speech.user_data.contains_key(*key));
    if !named {
        return Err(Rejection::Invalid(
            "userData needs GCTI_LanguageName or GCTI_LanguageCode",
        ));
    }
    let name = CONFIGURE_SESSION.to_owned();
    Ok(EventKind::Notice { name })
}

fn check_sizes(kind: &EventKind, speech: &Speech, policy: &Policy) -> Result<(), Rejection> {
    check_user_data(&speech.user_data, policy)?;
    if size_of_list(&speech.attributes) > policy.message_bytes_max {
        return Err(too_long(policy));
    }
    match kind {
        EventKind::Message { text, message_type } => {
            check_text(message_type.as_deref().unwrap_or_default(), policy)?;
            check_text(text, policy)
        }
        EventKind::PushUrl { url } => check_text(url, policy),
        EventKind::FileUploaded { name } => check_text(name, policy),
        EventKind::CustomNotice { text } | EventKind::FileDeleted { name: text } => {
            check_text(text.as_deref().unwrap_or_default(), policy)
        }
        _ => Ok(()),
    }
}

fn check_text(text: &str, policy: &Policy) -> Result<(), Rejection> {
    if text.len() > policy.message_bytes_max {
        return Err(too_long(policy));
    }
    Ok(())
}

fn too_long(policy: &Policy) -> Rejection {
    Rejection::TooLong {
        max: policy.message_bytes_max,
    }
}

#[cfg(test)]
mod tests;
