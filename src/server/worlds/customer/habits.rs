//! What a customer does to its pages.

use super::*;

impl Customer {
    /// The page is loaded again: another Bayeux session, and perhaps another transport.
    pub(in crate::server::worlds) fn reload(&mut self, scene: &mut Scene<'_>, carrier: Carrier) {
        let place = scene.dice.below(self.tabs.len() as u64) as usize;
        let tab = &mut self.tabs[place];
        tab.bayeux.leave(scene.life, scene.net);
        tab.bayeux = Bayeux::new(Door::Public, carrier, None);
        tab.view.broken();
        tab.sent.clear();
    }

    /// The same chat in another tab.
    pub(in crate::server::worlds) fn open_tab(&mut self, carrier: Carrier) {
        if self.tabs.len() < 2 && self.chat.is_some() {
            let tab = Tab::new(carrier);
            self.tabs.push(tab);
        }
    }

    pub(in crate::server::worlds) fn close_tab(&mut self, scene: &mut Scene<'_>) {
        if self.tabs.len() > 1 {
            let mut tab = self.tabs.remove(0);
            tab.bayeux.leave(scene.life, scene.net);
            // Whether the other one gets the events is for it to ask.
            if self.tabs[0].bayeux.is_on() {
                self.resume(scene, 0);
            }
        }
    }

    /// To the background, with a word on how far it has read.
    pub(in crate::server::worlds) fn put_aside(
        &mut self,
        scene: &mut Scene<'_>,
        millis: u64,
        politely: bool,
    ) {
        for tab in &mut self.tabs {
            if politely && tab.bayeux.is_on() {
                let position = tab.view.next.saturating_sub(1);
                tab.bayeux
                    .disconnect(scene.life, scene.net, (position > 0).then_some(position));
            }
            tab.bayeux.asleep_until = scene.now + millis;
        }
    }

    pub(in crate::server::worlds) fn cut(&mut self, scene: &mut Scene<'_>) {
        let place = scene.dice.below(self.tabs.len() as u64) as usize;
        let mut heard = Vec::new();
        let bayeux = &mut self.tabs[place].bayeux;
        bayeux.cut(scene.life, scene.net, scene.now, &mut heard);
        self.hear(scene, place, heard);
    }

    pub(in crate::server::worlds) fn switch(&mut self, scene: &mut Scene<'_>) {
        let mut heard = Vec::new();
        let bayeux = &mut self.tabs[0].bayeux;
        bayeux.switch(scene.life, scene.net, scene.now, &mut heard);
        self.hear(scene, 0, heard);
    }

    /// It asks again where it is not served.
    pub(in crate::server::worlds) fn insist(&mut self, scene: &mut Scene<'_>) {
        let tab = &self.tabs[0];
        if !tab.bayeux.is_on() || !tab.sent.is_empty() {
            return;
        }
        match &self.chat {
            Some(_) if tab.view.replaced || !tab.served => self.resume(scene, 0),
            None if self.wants => self.create(scene, 0),
            _ => {}
        }
    }

    /// It goes, without a word.
    pub(in crate::server::worlds) fn goes(&mut self, scene: &mut Scene<'_>) {
        self.wants = false;
        for tab in &mut self.tabs {
            tab.bayeux.leave(scene.life, scene.net);
            tab.bayeux.asleep_until = u64::MAX;
        }
    }
}
