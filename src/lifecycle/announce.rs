//! What a start says outside the log.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Exit;
use super::token::AdminToken;
use crate::config::Server;

/// Says that the process is ready, once it is.
#[derive(Debug)]
pub struct Announce {
    pub(super) admin: AdminToken,
}

impl Announce {
    /// To be called once, when both listeners answer at these addresses: saves a fresh admin token and tells of the console
    /// on stderr, then says that all is ready on stdout.
    pub fn ready(
        self,
        server: &Server,
        public: SocketAddr,
        internal: SocketAddr,
    ) -> Result<(), Exit> {
        self.admin.save()?;
        let public = url(public, server.public.tls.is_some());
        let internal_url = url(internal, server.internal.tls.is_some());
        let console = url(reachable(internal), server.internal.tls.is_some());
        // Nobody may be listening, and that is no reason to end.
        let _ = self.tell_console(&mut io::stderr(), &console);
        let _ = writeln!(
            io::stdout(),
            "parlor ready public={public} internal={internal_url}"
        );
        let _ = io::stdout().flush();
        Ok(())
    }

    fn tell_console(&self, out: &mut impl Write, internal: &str) -> io::Result<()> {
        if self.admin.fresh {
            let token = self.admin.token.expose();
            writeln!(
                out,
                "The console, for whoever has this address:\n  {internal}/console#token={token}"
            )?;
        }
        Ok(())
    }
}

fn url(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// An address for a browser on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_console_is_told_of_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = announce(folder.path());
        let token = first.admin.token.expose().to_owned();
        let told = told(&first);
        assert!(
            told.ends_with(&format!("\n  http://[::1]:1/console#token={token}\n")),
            "{told}"
        );
        first.admin.save().unwrap();
        assert_eq!(self::told(&announce(folder.path())), "");
    }

    #[test]
    fn an_address_of_all_interfaces_is_opened_on_this_machine() {
        let all = "0.0.0.0:80".parse().unwrap();
        assert_eq!(url(reachable(all), false), "http://127.0.0.1:80");
        let all = "[::]:80".parse().unwrap();
        assert_eq!(url(reachable(all), true), "https://[::1]:80");
    }

    fn announce(folder: &std::path::Path) -> Announce {
        let admin = AdminToken::of(folder).unwrap();
        Announce { admin }
    }

    fn told(announce: &Announce) -> String {
        let mut out = Vec::new();
        announce.tell_console(&mut out, "http://[::1]:1").unwrap();
        String::from_utf8(out).unwrap()
    }
}
