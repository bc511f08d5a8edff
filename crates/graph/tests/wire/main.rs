//! The client against a server that behaves as Graph and Entra do, over real sockets.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tokens;
