//! Relays one connection to a mail server. The mail client reads lines of any length and has a time limit for each read only; the relay limits
//! what the server may send, and can be closed.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Maximum number of bytes that a server may send in one dialog.
const MAX_RECEIVED: usize = 1024 * 1024;

/// The connections of a relay, which end when it is closed.
#[derive(Debug)]
pub(super) struct Relay {
    /// `None` once it is closed.
    streams: Mutex<Option<Vec<TcpStream>>>,
    is_flooded: AtomicBool,
}

impl Relay {
    /// Returns a relay that is not closed.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            streams: Mutex::new(Some(Vec::new())),
            is_flooded: AtomicBool::new(false),
        })
    }

    /// Starts to relay the first connection that is made within `limit` to a port of this machine; returns the port.
    pub(super) fn start(self: &Arc<Self>, server: TcpStream, limit: Duration) -> std::io::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        self.add(&server)?;
        let here = Arc::clone(self);
        std::thread::Builder::new().name("mail".to_owned()).spawn(move || {
            // An error ends the connections, which the client reports.
            let _ = here.serve(&listener, &server, limit);
            here.close();
        })?;
        Ok(port)
    }

    /// Ends the connections.
    pub(super) fn close(&self) {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner).take();
        for stream in streams.into_iter().flatten() {
            // Fails if the other side has closed it.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Whether the server has sent more than it may.
    pub(super) fn is_flooded(&self) -> bool {
        self.is_flooded.load(Ordering::SeqCst)
    }

    fn add(&self, stream: &TcpStream) -> std::io::Result<()> {
        let stream = stream.try_clone()?;
        match &mut *self.streams.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(streams) => streams.push(stream),
            None => stream.shutdown(Shutdown::Both)?,
        }
        Ok(())
    }

    fn serve(&self, listener: &TcpListener, server: &TcpStream, limit: Duration) -> std::io::Result<()> {
        let timeout = Timespec::try_from(limit).ok();
        if poll(&mut [PollFd::new(listener, PollFlags::IN)], timeout.as_ref())? == 0 {
            return Ok(());
        }
        let (client, _) = listener.accept()?;
        self.add(&client)?;
        let mut received = 0;
        let mut buffer = [0_u8; 16 * 1024];
        loop {
            let mut fds = [PollFd::new(server, PollFlags::IN), PollFd::new(&client, PollFlags::IN)];
            poll(&mut fds, None)?;
            let [from_server, from_client] = fds.map(|fd| !fd.revents().is_empty());
            if from_server {
                let count = (&*server).read(&mut buffer)?;
                received += count;
                if received > MAX_RECEIVED {
                    self.is_flooded.store(true, Ordering::SeqCst);
                    return Ok(());
                }
                if count == 0 {
                    return Ok(());
                }
                (&client).write_all(&buffer[..count])?;
            }
            if from_client {
                let count = (&client).read(&mut buffer)?;
                if count == 0 {
                    return Ok(());
                }
                (&*server).write_all(&buffer[..count])?;
            }
        }
    }
}
