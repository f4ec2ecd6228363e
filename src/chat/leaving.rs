//! Leaving and being made to leave.

use super::decide::Asker;
use super::draft::Draft;
use super::session::ON_HOLD;
use super::{
    AfterAction, LeaveReason, Participant, QuitReason, Rejection, Session, Style, UserType,
};
use crate::id::ParticipantId;

/// Async status once the agent's connection was lost.
const AGENT_LOST: i8 = 4;
/// Async status once the agent has put the chat into a queue.
const TRANSFERRED: i8 = 5;

impl Session {
    /// Somebody leaves or is released, and then.
    pub(super) fn release(
        &self,
        draft: &mut Draft<'_>,
        asker: Asker<'_>,
        whom: Option<ParticipantId>,
        after: AfterAction,
        reason: Option<LeaveReason>,
    ) -> Result<(), Rejection> {
        let who = self.released(asker, whom)?;
        self.check_release(asker, who, after, reason)?;
        let oneself = matches!(asker, Asker::Participant(caller) if caller.id == who.id);
        let quit = match oneself {
            true => QuitReason::Logout,
            false => QuitReason::Removed,
        };
        let served = who.serves();
        draft.leave(who, reason, Some(quit));
        if served {
            status_after(draft, reason);
        }
        after_release(draft, after);
        Ok(())
    }

    /// The server takes somebody out.
    pub(super) fn remove(
        &self,
        draft: &mut Draft<'_>,
        asker: Asker<'_>,
        whom: ParticipantId,
        quit: QuitReason,
        lost: bool,
    ) -> Result<(), Rejection> {
        asker.only_server()?;
        let who = self.present_participant(whom)?;
        draft.leave(who, None, Some(quit));
        if lost && who.serves() && !draft.present().any(Participant::serves) {
            draft.async_status(AGENT_LOST);
        }
        draft.close_if_empty();
        Ok(())
    }

    fn released<'a>(
        &'a self,
        asker: Asker<'a>,
        whom: Option<ParticipantId>,
    ) -> Result<&'a Participant, Rejection> {
        match (whom, asker) {
            (Some(id), _) => self.present_participant(id),
            (None, Asker::Participant(who)) => Ok(who),
            (None, Asker::Server) => Err(Rejection::Invalid("whom to release is not said")),
        }
    }

    fn check_release(
        &self,
        asker: Asker<'_>,
        who: &Participant,
        after: AfterAction,
        reason: Option<LeaveReason>,
    ) -> Result<(), Rejection> {
        if !may_release(asker, who) {
            return Err(Rejection::Forbidden(
                "supervisors release anybody, agents themselves, the customer and bots",
            ));
        }
        if asker.is_customer() && after != AfterAction::KeepAlive {
            return Err(Rejection::Forbidden("after-actions are for agents"));
        }
        if reason.is_some() && !is_agent(who) {
            return Err(Rejection::Forbidden("hold and transfer are for agents"));
        }
        if reason == Some(LeaveReason::Hold) && !self.is_async() {
            return Err(Rejection::Forbidden("hold is for async chats"));
        }
        Ok(())
    }
}

fn may_release(asker: Asker<'_>, who: &Participant) -> bool {
    match asker {
        Asker::Server => true,
        Asker::Participant(caller) => match caller.user_type {
            UserType::Supervisor | UserType::System => true,
            UserType::Agent => {
                caller.id == who.id || who.user_type == UserType::Client || who.style == Style::Bot
            }
            UserType::Client | UserType::External => caller.id == who.id,
        },
    }
}

fn is_agent(who: &Participant) -> bool {
    matches!(who.user_type, UserType::Agent | UserType::Supervisor)
}

/// A transfer asks for another agent whoever else is there; a hold says that nobody serves, so it waits for the last.
fn status_after(draft: &mut Draft<'_>, reason: Option<LeaveReason>) {
    match reason {
        Some(LeaveReason::Transfer) => draft.async_status(TRANSFERRED),
        Some(LeaveReason::Hold) if !draft.present().any(Participant::serves) => {
            draft.async_status(ON_HOLD);
        }
        _ => {}
    }
}

fn after_release(draft: &mut Draft<'_>, after: AfterAction) {
    let closes = match after {
        AfterAction::KeepAlive => false,
        AfterAction::CloseIfNoAgents => !draft.present().any(Participant::attends),
        AfterAction::ForceClose => true,
    };
    if closes {
        draft.close(QuitReason::Removed);
    } else {
        draft.close_if_empty();
    }
}

#[cfg(test)]
mod tests;
