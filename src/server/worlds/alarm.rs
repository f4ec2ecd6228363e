//! A task that panics is caught by its runtime: the world hears of it all the same.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local!(static HEARD: RefCell<Option<String>> = const { RefCell::new(None) });
thread_local!(static WATCHED: RefCell<bool> = const { RefCell::new(false) });

/// From now on panics of this thread are kept and not printed.
pub(super) fn watch(watched: bool) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if WATCHED.with_borrow(|watched| *watched) {
                HEARD.with_borrow_mut(|heard| {
                    heard.get_or_insert_with(|| info.to_string());
                });
            } else {
                before(info);
            }
        }));
    });
    WATCHED.set(watched);
    HEARD.set(None);
}

/// The first panic since.
pub(super) fn heard() -> Option<String> {
    HEARD.with_borrow(Clone::clone)
}

/// Goes on only where there was none.
pub(super) fn check() {
    if let Some(heard) = heard() {
        panic!("{heard}");
    }
}
