//! What a command would change, or why it cannot be: beginning, joining, and the way to everything else.

use super::draft::Draft;
use super::session::ORIGINAL_NICKNAME;
use super::{
    ADDED_KEYS, Caller, Change, Command, Create, EventKind, Join, Participant, Policy, Presence,
    Protocol, Rejection, Session, Speech, Style, UserData, UserType, Visibility,
};
use crate::clock::Now;
use crate::id::ParticipantId;

/// Marks a bot in the user data of its joining.
const PARTY_STYLE: &str = "GCTI_Chat_PartyStyle";

/// The newest version of the chat protocol: what customers, who come through the gateway, speak.
const NEWEST_CLIENT: u16 = 106;

/// Async status of a new session.
const NEW: i8 = 1;
/// Async status while an agent is there.
const SERVED: i8 = -1;

/// Who asks, once known to be in the session.
#[derive(Clone, Copy)]
pub(super) enum Asker<'a> {
    /// A present participant.
    Participant(&'a Participant),
    /// The server, the workflow, or somebody about to join.
    Server,
}

impl Session {
    /// What `command` would change, or why it cannot be. Alters nothing.
    ///
    /// # Errors
    ///
    /// A [`Rejection`], where the session, the caller's role or a limit does not allow it; then nothing happens.
    pub fn decide(
        &self,
        caller: Caller,
        command: Command,
        policy: &Policy,
        now: Now,
    ) -> Result<Vec<Change>, Rejection> {
        let mut draft = Draft::new(self, now);
        if let Command::Create(create) = command {
            self.begin(&mut draft, create, policy, now)?;
            return Ok(draft.finish());
        }
        let asker = self.asker(caller)?;
        match command {
            Command::Create(_) => return Err(Rejection::Invalid("the session exists already")),
            Command::Join(join) => self.join(&mut draft, asker, join, policy)?,
            Command::UpdateData { user_data } => {
                self.update_data(&mut draft, asker, user_data, policy)?;
            }
            Command::Release {
                participant,
                after,
                reason,
            } => self.release(&mut draft, asker, participant, after, reason)?,
            Command::Remove {
                participant,
                quit,
                lost,
            } => self.remove(&mut draft, asker, participant, quit, lost)?,
            Command::Close { quit } => {
                asker.only_server()?;
                draft.close(quit);
            }
            said => self.speak(&mut draft, asker, said, policy)?,
        }
        Ok(draft.finish())
    }

    /// The caller, if it is in the session and the session is not over.
    fn asker(&self, caller: Caller) -> Result<Asker<'_>, Rejection> {
        if self.participants().is_empty() {
            return Err(Rejection::UnknownParticipant);
        }
        if self.closed_at().is_some() {
            return Err(Rejection::Closed);
        }
        match caller {
            Caller::Participant(id) => self.present_participant(id).map(Asker::Participant),
            Caller::Server => Ok(Asker::Server),
        }
    }

    /// A participant who has to be present.
    pub(super) fn present_participant(&self, id: ParticipantId) -> Result<&Participant, Rejection> {
        match self.participant(id) {
            None => Err(Rejection::UnknownParticipant),
            Some(who) if !who.is_present() => Err(Rejection::Left),
            Some(who) => Ok(who),
        }
    }

    fn begin(
        &self,
        draft: &mut Draft<'_>,
        create: Create,
        policy: &Policy,
        now: Now,
    ) -> Result<(), Rejection> {
        if !self.participants().is_empty() {
            return Err(Rejection::Invalid("the session exists already"));
        }
        check_nickname(&create.nickname, policy)?;
        check_subject(create.subject.as_deref(), policy)?;
        check_user_data(&create.user_data, policy)?;
        draft.add(Change::Created {
            at: now.wall,
            service: create.service,
            subject: create.subject,
            async_mode: create.async_mode,
        });
        draft.add(Change::UserDataUpdated(create.user_data));
        let customer = Participant {
            id: ParticipantId(self.parts.next_participant),
            user_type: UserType::Client,
            nickname: create.nickname,
            visibility: Visibility::All,
            style: Style::Person,
            protocol: Protocol::Flex,
            client_version: NEWEST_CLIENT,
            user_data: UserData::new(),
            account: String::new(),
            joined: draft.next_index(),
            presence: Presence::Present,
        };
        come_in(draft, customer);
        if create.async_mode {
            draft.add(Change::AsyncStatus(NEW));
        }
        Ok(())
    }

    fn join(
        &self,
        draft: &mut Draft<'_>,
        asker: Asker<'_>,
        join: Join,
        policy: &Policy,
    ) -> Result<(), Rejection> {
        asker.only_server()?;
        check_role(&join)?;
        check_nickname(&join.nickname, policy)?;
        check_user_data(&join.user_data, policy)?;
        if self.present().count() >= policy.participants_max {
            return Err(Rejection::Limit {
                option: "[limits] participants",
                max: policy.participants_max,
            });
        }
        let participant = self.newcomer(join, draft.next_index());
        let serves = participant.serves();
        come_in(draft, participant);
        if serves {
            draft.async_status(SERVED);
        }
        Ok(())
    }

    fn newcomer(&self, join: Join, joined: u64) -> Participant {
        let mut user_data = join.user_data;
        // Both are the server's to say.
        user_data.remove(PARTY_STYLE);
        user_data.remove(ORIGINAL_NICKNAME);
        if join.style == Style::Bot {
            user_data.insert(PARTY_STYLE.to_owned(), "BOT".to_owned());
        }
        Participant {
            id: ParticipantId(self.parts.next_participant),
            user_type: join.user_type,
            nickname: join.nickname,
            visibility: join.visibility,
            style: join.style,
            protocol: match join.user_type {
                UserType::External => Protocol::Esp,
                _ => Protocol::Basic,
            },
            client_version: join.client_version,
            user_data,
            account: join.account,
            joined,
            presence: Presence::Present,
        }
    }

    fn update_data(
        &self,
        draft: &mut Draft<'_>,
        asker: Asker<'_>,
        update: UserData,
        policy: &Policy,
    ) -> Result<(), Rejection> {
        if !matches!(asker.user_type(), UserType::Client | UserType::System) {
            return Err(Rejection::Forbidden(
                "only the customer changes its user data",
            ));
        }
        if update.is_empty() {
            return Err(Rejection::Invalid("userData has to have at least one key"));
        }
        let mut merged = self.user_data().clone();
        merged.extend(update.clone());
        check_user_data(&merged, policy)?;
        draft.add(Change::UserDataUpdated(update));
        Ok(())
    }
}

impl Asker<'_> {
    /// The role.
    pub(super) fn user_type(self) -> UserType {
        match self {
            Asker::Participant(who) => who.user_type,
            Asker::Server => UserType::System,
        }
    }

    /// Whether it is the customer.
    pub(super) fn is_customer(self) -> bool {
        self.user_type() == UserType::Client
    }

    /// Refuses everybody but the server.
    pub(super) fn only_server(self) -> Result<(), Rejection> {
        match self {
            Asker::Server => Ok(()),
            Asker::Participant(_) => Err(Rejection::Forbidden("only the server does this")),
        }
    }
}

fn come_in(draft: &mut Draft<'_>, who: Participant) {
    let (author, visibility) = (who.author(), who.visibility);
    draft.add(Change::Joined(who));
    draft.say(
        author,
        visibility,
        EventKind::ParticipantJoined,
        Speech::default(),
    );
}

fn check_role(join: &Join) -> Result<(), Rejection> {
    if matches!(join.user_type, UserType::Client | UserType::System) {
        return Err(Rejection::Forbidden("agents, bots and the workflow join"));
    }
    if join.visibility > Visibility::narrowest_for(join.user_type) {
        return Err(Rejection::Forbidden("this visibility is for supervisors"));
    }
    if join.style == Style::Bot && join.visibility == Visibility::Vip {
        return Err(Rejection::Forbidden("bots join with ALL or INT"));
    }
    Ok(())
}

/// Refuses a nickname that is empty or too long.
pub(super) fn check_nickname(nickname: &str, policy: &Policy) -> Result<(), Rejection> {
    if nickname.is_empty() {
        return Err(Rejection::Invalid("the nickname is empty"));
    }
    check_chars(nickname, "[limits] nickname", policy.nickname_chars_max)
}

fn check_subject(subject: Option<&str>, policy: &Policy) -> Result<(), Rejection> {
    check_chars(
        subject.unwrap_or_default(),
        "[limits] subject",
        policy.subject_chars_max,
    )
}

fn check_chars(text: &str, option: &'static str, max: usize) -> Result<(), Rejection> {
    if text.chars().count() > max {
        return Err(Rejection::Limit { option, max });
    }
    Ok(())
}

/// Refuses user data with too many keys, or too much in them. What the gateway adds itself does not count.
pub(super) fn check_user_data(user_data: &UserData, policy: &Policy) -> Result<(), Rejection> {
    let limit = |option, max| Err(Rejection::Limit { option, max });
    let counts = |(key, value): &(&String, &String)| !is_added(key, value, policy);
    let counted = || user_data.iter().filter(counts);
    if counted().count() > policy.user_data_keys_max {
        return limit("[limits] user-data-keys", policy.user_data_keys_max);
    }
    let bytes: usize = counted().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > policy.user_data_bytes_max {
        return limit("[limits] user-data-size", policy.user_data_bytes_max);
    }
    Ok(())
}

/// Whether the gateway may have added this itself: it adds nothing that is longer than a name.
fn is_added(key: &str, value: &str, policy: &Policy) -> bool {
    ADDED_KEYS.contains(&key) && value.chars().count() <= policy.nickname_chars_max
}

#[cfg(test)]
mod tests;
