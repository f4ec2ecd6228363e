//! Which part of the server a path belongs to.

use hyper::Method;

use crate::api::admin::Page;
use crate::api::assets::{self, Asset};

/// Which listener a request came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Customers.
    Public,
    /// Agents, bots, operators.
    Internal,
}

/// What a path leads to.
pub enum Route<'a> {
    /// `/genesys/2/chat/…`: what comes after it.
    Chat(&'a str),
    /// The Bayeux address, or a path below it.
    Bayeux,
    /// A page.
    Asset(&'static Asset),
    /// What operators ask.
    Admin(Page),
    /// Nothing.
    Nowhere,
}

impl Door {
    /// Where `path` leads behind this door.
    pub fn route(self, path: &str) -> Route<'_> {
        match self {
            Door::Public => public(path),
            Door::Internal => internal(path),
        }
    }

    /// As in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Door::Public => "public",
            Door::Internal => "internal",
        }
    }
}

impl Route<'_> {
    /// As in metrics and logs: paths hold ids, and are not logged.
    pub fn name(&self) -> &'static str {
        match self {
            Route::Chat(_) => "chat-v2",
            Route::Bayeux => "cometd",
            Route::Asset(_) => "page",
            Route::Admin(_) => "admin",
            Route::Nowhere => "none",
        }
    }

    /// Whether pages of other origins are kept out. The pages themselves are harmless to load, and operators' machines
    /// send no origin.
    pub fn minds_origin(&self, method: &Method) -> bool {
        match self {
            Route::Chat(_) | Route::Bayeux => true,
            Route::Asset(_) | Route::Admin(_) | Route::Nowhere => {
                method != Method::GET && method != Method::HEAD
            }
        }
    }
}

fn public(path: &str) -> Route<'_> {
    if let Some(rest) = path.strip_prefix("/genesys/2/chat/") {
        Route::Chat(rest)
    } else if is_at_or_below(path, "/genesys/cometd") {
        Route::Bayeux
    } else {
        assets::find(&assets::PUBLIC, path).map_or(Route::Nowhere, Route::Asset)
    }
}

fn internal(path: &str) -> Route<'_> {
    if is_at_or_below(path, "/cometd") {
        Route::Bayeux
    } else if let Some(page) = Page::find(path) {
        Route::Admin(page)
    } else {
        assets::find(&assets::INTERNAL, path).map_or(Route::Nowhere, Route::Asset)
    }
}

fn is_at_or_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_the_contract_says() {
        use Door::{Internal, Public};
        let table = [
            (Public, "/genesys/2/chat/customer-support", "chat-v2"),
            (
                Public,
                "/genesys/2/chat/customer-support/0001/send",
                "chat-v2",
            ),
            (Public, "/genesys/cometd", "cometd"),
            (Public, "/genesys/cometd/", "cometd"),
            (Public, "/genesys/cometd/handshake", "cometd"),
            (Public, "/genesys/cometdx", "none"),
            (Public, "/cometd", "none"),
            (Public, "/", "page"),
            (Public, "/console", "none"),
            (Public, "/metrics", "none"),
            (Public, "/readyz", "none"),
            (Internal, "/cometd/connect", "cometd"),
            (Internal, "/console", "page"),
            (Internal, "/livez", "admin"),
            (Internal, "/readyz", "admin"),
            (Internal, "/metrics", "admin"),
            (Internal, "/genesys/2/chat/customer-support", "none"),
            (Internal, "/", "none"),
        ];
        for (door, path, expected) in table {
            assert_eq!(door.route(path).name(), expected, "{} {path}", door.name());
        }
    }
}
