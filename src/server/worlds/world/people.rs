//! What each of them does when the story says so.

use super::*;

impl People {
    pub(in crate::server::worlds) fn next_at(&self, now: u64) -> u64 {
        let customers = self.customers.iter().map(|customer| customer.next_at(now));
        let agents = self.agents.iter().map(|agent| agent.bayeux.next_at(now));
        customers.chain(agents).min().unwrap_or(u64::MAX)
    }

    pub(in crate::server::worlds) fn go_on(&mut self, scene: &mut Scene<'_>) {
        self.customers
            .iter_mut()
            .for_each(|customer| customer.act(scene));
        self.agents.iter_mut().for_each(|agent| agent.act(scene));
    }

    pub(in crate::server::worlds) fn take(&mut self, scene: &mut Scene<'_>, arrival: &Arrival) {
        let taken = self
            .customers
            .iter_mut()
            .any(|customer| customer.take(scene, arrival))
            || self
                .agents
                .iter_mut()
                .any(|agent| agent.take(scene, arrival));
        if !taken {
            self.apps.iter_mut().any(|app| app.take(scene, arrival));
        }
    }

    /// Every chat that somebody knows of.
    pub(in crate::server::worlds) fn chats(&self) -> Vec<SessionId> {
        let customers = self.customers.iter().filter_map(|one| one.chat.as_ref());
        let apps = self.apps.iter().filter_map(|one| one.chat.as_ref());
        customers
            .map(|chat| chat.session)
            .chain(apps.map(|chat| chat.session))
            .collect()
    }

    pub(in crate::server::worlds) fn act(&mut self, scene: &mut Scene<'_>, step: Step) {
        match step.act {
            Act::CustomerComes => return self.customer_comes(step),
            Act::AppComes => return self.app_comes(scene, step),
            Act::AppSays | Act::AppRefreshes | Act::AppEnds => return self.app_acts(scene, step),
            Act::AgentJoins => return self.agent_joins(scene, step),
            _ => {}
        }
        if !self.customers.is_empty() {
            let place = step.who as usize % self.customers.len();
            self.customers[place].does(scene, step);
        }
        let place = step.who as usize % self.agents.len();
        self.agents[place].does(scene, step);
    }

    fn customer_comes(&mut self, step: Step) {
        let number = self.customers.len();
        if number >= 4 {
            return;
        }
        let mut data = json!({});
        if step.how.is_multiple_of(2) {
            data["GCTI_Chat_AsyncMode"] = json!("true");
        }
        if step.how.is_multiple_of(3) {
            data["push_notification_deviceid"] = json!(format!("customer-{number}"));
            data["push_notification_type"] = json!("customhttp");
            data["GCTI_GMS_PushIncludePayload"] = json!("true");
        }
        let customer = Customer::new(number, carrier(step.who), data);
        self.customers.push(customer);
    }

    fn app_comes(&mut self, scene: &mut Scene<'_>, step: Step) {
        if let Some(app) = self.apps.iter_mut().find(|app| app.chat.is_none()) {
            return app.create(scene);
        }
        let number = self.apps.len();
        if number >= 3 {
            return;
        }
        let wish = [Wish::Payload, Wish::Resend, Wish::Nothing][step.how as usize % 3];
        let mut app = App::new(number, wish, step.who.is_multiple_of(2));
        app.create(scene);
        self.apps.push(app);
    }

    fn app_acts(&mut self, scene: &mut Scene<'_>, step: Step) {
        if self.apps.is_empty() {
            return;
        }
        let place = step.who as usize % self.apps.len();
        let app = &mut self.apps[place];
        match step.act {
            Act::AppSays => app.say(scene, length(step.how)),
            Act::AppRefreshes => app.refresh(scene, step.how),
            _ => app.operate(scene, "disconnect"),
        }
    }

    fn agent_joins(&mut self, scene: &mut Scene<'_>, step: Step) {
        let chats = self.chats();
        if chats.is_empty() {
            return;
        }
        let chat = chats[step.how as usize % chats.len()];
        let place = step.who as usize % self.agents.len();
        self.agents[place].join(scene, chat);
    }
}

impl Customer {
    pub(in crate::server::worlds) fn does(&mut self, scene: &mut Scene<'_>, step: Step) {
        match step.act {
            Act::CustomerSays => self.say(scene, length(step.how)),
            Act::CustomerTypes => self.operate(scene, "startTyping"),
            Act::CustomerEnds => self.operate(scene, "disconnect"),
            Act::CustomerReloads => self.reload(scene, carrier(step.how)),
            Act::CustomerOpensTab => self.open_tab(carrier(step.how)),
            Act::CustomerClosesTab => self.close_tab(scene),
            Act::CustomerSleeps => {
                self.put_aside(scene, step.how * 120, step.how.is_multiple_of(3));
            }
            Act::CustomerIsCut => self.cut(scene),
            Act::CustomerSwitchesTransport => self.switch(scene),
            Act::CustomerReadsSlowly => {
                for socket in self.tabs.iter().filter_map(|tab| tab.bayeux.socket) {
                    scene.net.set_reading(socket, step.how.is_multiple_of(2));
                }
            }
            _ => {}
        }
    }
}

impl Agent {
    pub(in crate::server::worlds) fn does(&mut self, scene: &mut Scene<'_>, step: Step) {
        match step.act {
            Act::AgentSays => self.say(scene, step.who, step.how, length(step.how)),
            Act::AgentSaysMuch => {
                for _ in 0..5 + step.how % 30 {
                    self.say(scene, step.who, 5, length(step.how));
                }
            }
            Act::AgentReads => self.read_all(scene, step.how),
            Act::AgentLeaves => {
                let after = ["keep-alive", "keep-alive", "close-if-no-agents"];
                self.leave(scene, after[step.how as usize % 3]);
            }
            Act::AgentCloses => self.leave(scene, "force-close"),
            Act::AgentIsCut => self.cut(scene),
            Act::AgentSwitchesTransport => self.switch(scene),
            Act::AgentSleeps => self.bayeux.asleep_until = scene.now + step.how * 100,
            Act::AgentReadsSlowly => {
                if let Some(socket) = self.bayeux.socket {
                    scene.net.set_reading(socket, step.how.is_multiple_of(2));
                }
            }
            _ => {}
        }
    }
}
