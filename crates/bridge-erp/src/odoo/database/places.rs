//! Where a database is: every server that its address names, by the addresses that may be connected to.

use super::connect::target;
use super::{DatabaseError, DatabaseErrorKind};
use crate::outbound::{AddressRefused, Outbound, known};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The port if the address names none.
const PORT_DEFAULT: u16 = 5432;

/// One place that a database may be reached at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Over the network. The name is what a certificate is checked against.
    Server { name: String, address: IpAddr, port: u16 },
    /// A socket in this folder of this machine.
    Socket { folder: PathBuf, port: u16 },
}

/// The places that a config names, in their order. If none of a server's addresses may be connected to, the error is an
/// `AddressRefused`, whatever else the config names.
pub(super) async fn places(config: &Config, outbound: &Outbound) -> Result<Vec<Place>, DatabaseError> {
    let (ports, given) = (config.get_ports(), config.get_hostaddrs());
    if !given.is_empty() && given.len() != config.get_hosts().len() {
        return Err(invalid("the address names other hosts than addresses of hosts"));
    }
    let (mut places, mut unknown) = (Vec::new(), None);
    for (index, host) in config.get_hosts().iter().enumerate() {
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(PORT_DEFAULT);
        match (host, given.get(index)) {
            // Where the address is given beside the name, that is where the connection goes.
            (Host::Tcp(name), Some(address)) => {
                outbound.judge(*address).map_err(refused)?;
                places.push(Place::Server { name: name.clone(), address: *address, port });
            }
            (Host::Tcp(name), None) => {
                match outbound.find(name).await {
                    Ok(found) => {
                        places.extend(found.into_iter().map(|address| Place::Server {
                            name: name.clone(),
                            address,
                            port,
                        }));
                    }
                    Err(error) => match AddressRefused::among(&error) {
                        Some(told) => return Err(refused(*told)),
                        // Another of the hosts may be known.
                        None => unknown = Some(error),
                    },
                }
            }
            (Host::Unix(folder), _) => {
                // A socket of this machine is this machine.
                outbound.judge(Ipv4Addr::LOCALHOST.into()).map_err(refused)?;
                places.push(Place::Socket { folder: folder.clone(), port });
            }
        }
    }
    match unknown {
        Some(error) if places.is_empty() => {
            let message = "the database's host is not known";
            Err(DatabaseError::new(DatabaseErrorKind::Unreachable, message).caused_by(error))
        }
        _ => Ok(places),
    }
}

/// The same config for these places and no others.
pub(super) fn at(config: &Config, places: &[Place]) -> Result<Config, DatabaseError> {
    // The driver's config can't be told to forget its hosts.
    let mut bound = Config::new();
    if let Some(user) = config.get_user() {
        bound.user(user);
    }
    if let Some(password) = config.get_password() {
        bound.password(password);
    }
    if let Some(name) = config.get_dbname() {
        bound.dbname(name);
    }
    if let Some(options) = config.get_options() {
        bound.options(options);
    }
    bound
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .target_session_attrs(config.get_target_session_attrs())
        .load_balance_hosts(config.get_load_balance_hosts());
    let mut sockets = 0;
    for place in places {
        match place {
            Place::Server { name, address, port } => {
                bound.host(name).hostaddr(*address).port(*port);
            }
            Place::Socket { folder, port } => {
                sockets += 1;
                bound.host_path(folder).port(*port);
            }
        }
    }
    // The driver wants an address beside every host or beside none.
    if sockets != 0 && sockets != places.len() {
        return Err(invalid("the address must not name both hosts and sockets"));
    }
    Ok(bound)
}

/// Whether an address leads where nothing may be connected to, as [`Outbound::refusal`] tells it of URLs of other kinds.
pub async fn refusal(url: &str, outbound: &Outbound) -> Option<AddressRefused> {
    let (config, _) = target(url).ok()?;
    known(places(&config, outbound)).await
}

fn refused(told: AddressRefused) -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::AddressRefused, told.to_string()).caused_by(told)
}

fn invalid(message: &str) -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::InvalidUrl, message)
}
